// SPDX-License-Identifier: BSL-1.0
/// \file
/// Children that do not outlive a block.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include <thole/loop.hpp>
#include <thole/task.hpp>
#include <thole/task_group.hpp>

namespace thole {

/// Runs tasks at the same time whose lives end within its own: `spawn` them, `cancel` them all,
/// `wait` for all. The first exception of one cancels the others and reaches who waits; nobody's
/// exception is lost: one that was never waited for leaves loop::run(). Not movable. Loop's thread.
///
/// Children may use what lives longer than the scope. To destroy a scope in which a child still
/// runs ends the program, for that child would go on with dead variables: `co_await wait()` first,
/// on every way out, or let `with_scope` do so. At the loop's end the children go first.
class scope {
public:
    /// Its children run on `on`.
    explicit scope(loop& on) noexcept : scope(on.core()) {}
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;
    THOLE_API ~scope();

    /// Starts `child` in a later turn; cancelled from the start once the scope is.
    void spawn(task<>&& child) noexcept {
        start(std::coroutine_handle<detail::promise<void>>::from_address(
                  detail::task_access::release(std::move(child)))
                  .promise());
    }
    /// Cancels all children, and those that are spawned after.
    void cancel() noexcept { detail::cancel_group(group_, detail::reason::cancelled); }
    /// How many have not ended.
    [[nodiscard]] std::size_t size() const noexcept { return group_.size; }

    /// Waits until all have ended, those spawned meanwhile too, and throws the first exception that
    /// one of them has left. A cancel of the waiting task cancels them, and is waited out. For one
    /// thole::task at a time.
    [[nodiscard]] auto wait() noexcept { return awaiter{*this}; }

private:
    friend struct detail::loop_core;

    struct [[nodiscard]] awaiter {
        scope& of;
        [[nodiscard]] bool await_ready() const noexcept { return of.group_.size == 0; }
        template <class Promise>
        [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> waiting) const noexcept {
            static_assert(std::derived_from<Promise, detail::promise_base>,
                          "a scope is awaited by a thole::task");
            return detail::wait_for_group(of.group_, waiting.promise());
        }
        void await_resume() const { detail::rethrow_failure(of.group_); }
    };

    THOLE_API explicit scope(detail::loop_core* core) noexcept;
    THOLE_API void start(detail::promise_base& child) noexcept;

    detail::task_group group_;
    scope* next_ = nullptr;  // the loop's list
    scope* prev_ = nullptr;
};

namespace detail {

template <class T>
[[nodiscard]] task<> keep_value(task<T> work, std::optional<T>& into) {
    into.emplace(co_await std::move(work));
}

template <class T>
struct body_value;
template <class T>
struct body_value<task<T>> {
    using type = T;
};

}  // namespace detail

/// Runs `body(children)`, a task, in a scope of its own, and gives its value once it and all
/// children have ended, however it ends:
///
///     co_await with_scope(on, [&](scope& children) -> task<> {
///         children.spawn(heartbeat(peer));
///         co_await serve(peer);
///         children.cancel();
///     });
///
/// An exception of the body or of a child cancels the rest and leaves here when all have ended; so
/// does a cancel from above. `body` captures by reference only (g++ 12 copies the arguments of a
/// co_await bit by bit).
template <class F, class T = typename detail::body_value<std::invoke_result_t<F&, scope&>>::type>
[[nodiscard]] task<T> with_scope(loop& on, F body) {
    static_assert(std::is_trivially_copyable_v<F>, "the body captures by reference");
    scope children(on);
    if constexpr (std::is_void_v<T>) {
        children.spawn(body(children));
        co_await children.wait();
    } else {
        std::optional<T> value;
        children.spawn(detail::keep_value(body(children), value));
        co_await children.wait();
        co_return std::move(*value);
    }
}

}  // namespace thole
