// SPDX-License-Identifier: BSL-1.0
/// \file
/// An operation that calls a function when it has finished.
#pragma once

#include <utility>

#include <thole/loop.hpp>
#include <thole/operation.hpp>

namespace thole {

/// An operation and the function that it calls with its result:
///
///     callback<tcp::read_op, on_bytes> reading{on_bytes{...}};
///     reading.start(peer, buffer, within(5s));     // later: on_bytes(result<std::size_t>)
///
/// The object is the caller's and stays at its address until the call. The function is called
/// exactly once a start, in a later turn of the loop, never inside start(); it may start the
/// operation again, and it may destroy the object as the last thing it does. A loop that is
/// destroyed first drops the operation without calling.
template <class Op, class F>
class callback : public Op {
public:
    /// Keeps `function`; starts nothing.
    explicit callback(F function) : function_(std::move(function)) {}

    /// Starts it with the arguments of Op: those of the verb. Starting a pending one is refused by
    /// ending the program: its result would be lost.
    template <class... Args>
    void start(Args&&... args) noexcept {
        this->prepare(std::forward<Args>(args)...);
        this->act = &finished;
        if (detail::reads_one_buffer(*this)) {
            detail::begin_callback_read(*this);
        } else if (detail::receives(*this)) {
            detail::begin_callback_receive(*this);
        } else if (detail::writes_one_buffer(*this)) {
            detail::begin_callback_write(*this);
        } else if (this->what == verb::accept) {
            detail::begin_callback_accept(*this);
        } else if (this->what == verb::connect) {
            detail::begin_callback_connect(*this);
        } else {
            detail::begin_callback(*this);
        }
    }

    /// The function, with what it keeps.
    [[nodiscard]] F& function() noexcept { return function_; }

private:
    static void finished(detail::runnable& self, detail::turn how) {
        auto& op = static_cast<callback&>(self);
        op.at = detail::stage::dispatched;
        if (how != detail::turn::run) {
            return;
        }
        if (op.error != 0) [[unlikely]] {
            failed(op);
            return;
        }
        op.function_(op.take());
    }
    // By itself, so that the way of success is short.
    THOLE_APART static void failed(callback& op) { op.function_(op.take()); }

    F function_;
};

/// A function with a place of its own in a loop's queue, for loop::post(operation&): posting it
/// allocates nothing and cannot fail. The function is called without arguments; it may post itself
/// again, or destroy the object as the last thing it does.
template <class F>
class posted : public operation {
public:
    /// Keeps `function`; posts nothing.
    explicit posted(F function) : function_(std::move(function)) { this->act = &run; }

private:
    static void run(detail::runnable& self, detail::turn how) {
        auto& op = static_cast<posted&>(self);
        op.at = detail::stage::dispatched;
        if (how == detail::turn::run) {
            op.function_();
        }
    }

    F function_;
};

}  // namespace thole
