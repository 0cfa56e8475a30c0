// SPDX-License-Identifier: BSL-1.0
/// \file
/// An operation that a coroutine awaits.
#pragma once

#include <concepts>
#include <coroutine>

#include <thole/operation.hpp>

namespace thole {
namespace detail {

class spawned_base;
struct task_group;

/// What every promise of a thole::task has: its loop, what it awaits, who awaits it.
struct promise_base : runnable {
    enum class awaits : std::uint8_t { nothing, operation, child, group };

    loop_core* core = nullptr;
    union {
        promise_base* parent = nullptr;  ///< who awaits it
        task_group* group;               ///< `grouped`: what it runs in, beside others
    };
    void* awaited = nullptr;  ///< an operation, a child's promise, or a group
    union {
        void** owner = nullptr;  ///< the pointer that owns this frame, to be cleared
        spawned_base* handle;    ///< `root`: of who spawned it, while it lives
    };
    promise_base* next_task = nullptr;  ///< the loop's list of spawned tasks, or the group's
    promise_base* prev_task = nullptr;
    awaits kind = awaits::nothing;
    reason cancelled = reason::none;  ///< sticky: what is awaited next ends with it
    bool shielded = false;            ///< a cancel from above stops here
    bool grouped = false;
    bool root = false;
    bool ended = false;

    /// This coroutine. Each promise begins with this base and needs no more than a frame's own
    /// alignment, so the frame lies at the same distance from all.
    [[nodiscard]] std::coroutine_handle<> self() noexcept {
        return std::coroutine_handle<promise_base>::from_promise(*this);
    }
};

template <class Promise>
[[nodiscard]] promise_base* base_of(Promise& promise) noexcept {
    if constexpr (std::derived_from<Promise, promise_base>) {
        return &promise;
    } else {
        return nullptr;
    }
}

}  // namespace detail

/// An operation and the coroutine that awaits it. `co_await` it once; it may finish without
/// suspending. Any coroutine type may await it, on the loop's thread; a thole::task also passes its
/// cancel down to it. It may be kept in a variable first, for its cancel().
template <class Op>
class [[nodiscard]] awaitable : public Op {
public:
    using Op::Op;

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        detail::promise_base* by = detail::base_of(waiting.promise());
        if (by != nullptr) {
            waiter_ = by;
            this->act = &resume_task;
            if constexpr (requires { this->belong_to(by->core); }) {
                this->belong_to(by->core);
            }
        } else {
            waiter_ = waiting.address();
            this->act = &resume_foreign;
        }
        if (by != nullptr && detail::reads_one_buffer(*this)) {
            return detail::begin_awaited_read(*this, *by);
        }
        if (by != nullptr && detail::receives(*this)) {
            return detail::begin_awaited_receive(*this, *by);
        }
        if (by != nullptr && detail::writes_one_buffer(*this)) {
            return detail::begin_awaited_write(*this, *by);
        }
        if (by != nullptr && this->what == verb::accept) {
            return detail::begin_awaited_accept(*this, *by);
        }
        if (by != nullptr && this->what == verb::connect) {
            return detail::begin_awaited_connect(*this, *by);
        }
        return detail::begin_awaited(*this, by);
    }

    [[nodiscard]] typename Op::result_type await_resume() { return this->take(); }

private:
    static void resume_task(detail::runnable& self, detail::turn how) {
        static_cast<awaitable&>(self).at = detail::stage::dispatched;
        if (how == detail::turn::run) {
            auto* by = static_cast<detail::promise_base*>(static_cast<awaitable&>(self).waiter_);
            by->kind = detail::promise_base::awaits::nothing;
            by->self().resume();
        }
    }
    static void resume_foreign(detail::runnable& self, detail::turn how) {
        static_cast<awaitable&>(self).at = detail::stage::dispatched;
        if (how == detail::turn::run) {
            std::coroutine_handle<>::from_address(static_cast<awaitable&>(self).waiter_).resume();
        }
    }

    void* waiter_ = nullptr;
};

}  // namespace thole
