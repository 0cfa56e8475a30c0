// SPDX-License-Identifier: BSL-1.0
/// \file
/// What the outside asks of a program, awaited.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include <thole/await.hpp>
#include <thole/deadline.hpp>
#include <thole/loop.hpp>
#include <thole/operation.hpp>
#include <thole/result.hpp>

namespace thole {

/// What a program can be asked for by its user, its terminal or its system. Where a platform does
/// not have one, a signal_set refuses it.
enum class signal_kind : std::uint8_t {
    interrupt,  ///< Ctrl-C: SIGINT; on Windows CTRL_C_EVENT
    /// The program shall end: SIGTERM; on Windows the console is closed, the user logs off or the
    /// system shuts down, and some seconds later the system ends the program whatever it does.
    terminate,
    hangup,         ///< SIGHUP; not on Windows
    user1,          ///< SIGUSR1; not on Windows
    user2,          ///< SIGUSR2; not on Windows
    control_break,  ///< Ctrl-Break: CTRL_BREAK_EVENT; on Windows only
};

/// "interrupt", "terminate", …
[[nodiscard]] THOLE_API std::string_view to_string(signal_kind which) noexcept;

namespace detail {
struct signal_slot;
}  // namespace detail

class signal_set;

/// The operation behind signal_set::next().
class signal_op : public local_operation {
public:
    using result_type = result<signal_kind>;
    THOLE_API signal_op() noexcept;
    signal_op(signal_set& of, deadline until) noexcept : signal_op() { prepare(of, until); }
    THOLE_API void prepare(signal_set& of, deadline until = {}) noexcept;
    [[nodiscard]] THOLE_API result<signal_kind> take() noexcept;

private:
    friend struct detail::signal_slot;
    static bool start(local_operation& op) noexcept;
    static bool leave(local_operation& op) noexcept;
    static const detail::local_methods how;

    detail::signal_slot* slot_ = nullptr;
    signal_kind which_{};
};

/// Some signals of the process, for as long as the set lives: they do not end the program, and
/// next() tells of them. Move-only. Any number of sets, up to 32 in a process, on any loops; each
/// is told of each of its signals. When the last set that has a signal goes, what was done with it
/// before is done again. Its functions belong to its loop's thread.
///
///     auto signals = signal_set::open(on, {signal_kind::interrupt, signal_kind::terminate});
///     const auto which = co_await signals->next();
///     const drain_report end = co_await server.drain(within(10s));
///
/// On POSIX by sigaction(2) with SA_RESTART: no signal is blocked, so that a child after fork and
/// exec has the defaults; the handler sets a bit and wakes the loop, and takes no lock and no
/// memory. A child of fork alone is as if it had no set, until it opens one. On Windows by
/// SetConsoleCtrlHandler().
class signal_set {
public:
    signal_set() noexcept = default;
    signal_set(signal_set&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
    signal_set& operator=(signal_set&& other) noexcept {
        if (this != &other) {
            close();
            slot_ = std::exchange(other.slot_, nullptr);
        }
        return *this;
    }
    ~signal_set() { close(); }

    /// From now on the process does not end by `which`. Errors: invalid_argument for none;
    /// operation_not_supported for one that this platform does not have; errc::limit_reached; what
    /// loop::error() gives; codes of the system.
    [[nodiscard]] THOLE_API static result<signal_set>
    open(loop& on, std::initializer_list<signal_kind> which) noexcept;

    /// The next one that has come since the set was opened and that was not told yet. One kind that
    /// comes several times before it is told is told once; of several kinds the first in the list
    /// above is told first. While it is pending it keeps `run()` going, as every operation does.
    /// Ends: errc::cancelled, errc::deadline_reached, errc::closed; errc::operation_in_progress if
    /// one is pending already; operation_not_permitted in a task of another loop.
    [[nodiscard]] awaitable<signal_op> next(deadline until = never) noexcept {
        return awaitable<signal_op>(*this, until);
    }

    /// What was done with its signals before is done again, if no other set has them. A pending
    /// next() finishes with errc::closed. Again: nothing.
    THOLE_API void close() noexcept;
    /// Neither closed nor moved from.
    [[nodiscard]] bool is_open() const noexcept { return slot_ != nullptr; }

private:
    friend class signal_op;
    detail::signal_slot* slot_ = nullptr;
};

}  // namespace thole
