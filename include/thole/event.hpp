// SPDX-License-Identifier: BSL-1.0
/// \file
/// A flag that tasks of one loop wait for.
#pragma once

#include <thole/await.hpp>
#include <thole/deadline.hpp>
#include <thole/loop.hpp>
#include <thole/result.hpp>
#include <thole/wait_list.hpp>

namespace thole {

class event;

/// The operation behind event::wait().
class wait_op : public detail::waiting_operation {
public:
    using result_type = result<void>;
    THOLE_API wait_op() noexcept;
    wait_op(event& on, deadline until) noexcept : wait_op() {
        on_ = &on;
        reset(verb::wait, nullptr, until);
    }
    /// For a callback, which has no task to take the loop from.
    void prepare(loop& in, event& on, deadline until = {}) noexcept {
        on_ = &on;
        reset(verb::wait, in.core(), until);
    }
    [[nodiscard]] THOLE_API result<void> take() noexcept;

private:
    static bool start(local_operation& op) noexcept;
    static const detail::local_methods how;

    event* on_ = nullptr;
};

/// Set or not set; who waits goes on when it is set, and it stays set until reset(). For tasks and
/// callbacks of one loop, on its thread (from another one: post). Allocates nothing. Not movable.
class event {
public:
    /// Set from the start, or not.
    explicit event(bool set = false) noexcept : set_(set) {}
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    /// Who still waits finishes with errc::closed.
    ~event() = default;

    /// Everyone who waits now finishes with success, in a later turn, in order.
    THOLE_API void set() noexcept;
    /// From now on one waits again. Who was told already keeps its success.
    void reset() noexcept { set_ = false; }
    /// Set, and not reset since.
    [[nodiscard]] bool is_set() const noexcept { return set_; }

    /// Success once it is set, at once if it is. Ends: errc::cancelled, errc::deadline_reached,
    /// errc::closed (the event was destroyed), operation_not_permitted (another loop's tasks wait).
    [[nodiscard]] awaitable<wait_op> wait(deadline until = never) noexcept {
        return awaitable<wait_op>(*this, until);
    }

private:
    friend class wait_op;
    detail::wait_list waiting_;
    bool set_;
};

}  // namespace thole
