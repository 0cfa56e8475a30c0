// SPDX-License-Identifier: BSL-1.0
/// \file
/// Connecting to one of several addresses.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>

#include <thole/await.hpp>
#include <thole/connect.hpp>
#include <thole/deadline.hpp>
#include <thole/endpoint.hpp>
#include <thole/fixed_list.hpp>
#include <thole/operation.hpp>
#include <thole/result.hpp>
#include <thole/socket.hpp>

namespace thole::tcp {

/// An attempt that made no connection.
struct attempt {
    endpoint target;                  ///< where to
    std::error_code error;            ///< one of those of tcp::connect()
    std::chrono::nanoseconds took{};  ///< on the loop's clock
};
/// Attempts, in their order.
using attempt_list = fixed_list<attempt>;

/// What connecting to one of several addresses gives: a result<socket>, and why the attempts before
/// it failed. It can be moved into a plain result<socket>.
class [[nodiscard]] connect_outcome : public result<socket> {
public:
    /// For the library itself.
    connect_outcome(result<socket>&& made, attempt_list&& failed) noexcept
        : result<socket>(std::move(made)), attempts_(std::move(failed)) {}

    /// Every attempt that failed, in order, the one that was under way at a cancel or at the
    /// deadline among them. Empty if the first one succeeded, or if there was none.
    [[nodiscard]] const attempt_list& attempts() const noexcept { return attempts_; }
    /// The same, out of it.
    [[nodiscard]] attempt_list take_attempts() noexcept { return std::move(attempts_); }

private:
    attempt_list attempts_;
};

/// The operation behind tcp::connect_by_list().
class connect_by_list_op : public local_operation {
public:
    using result_type = connect_outcome;
    THOLE_API connect_by_list_op() noexcept;
    connect_by_list_op(loop& on, std::span<const endpoint> targets, const connect_options& options,
                       deadline until) noexcept
        : connect_by_list_op() {
        prepare(on, targets, options, until);
    }
    THOLE_API void prepare(loop& on, std::span<const endpoint> targets,
                           const connect_options& options = {}, deadline until = {}) noexcept;
    [[nodiscard]] THOLE_API connect_outcome take() noexcept;

private:
    // One at a time; where a race of families comes to be, it is several of these.
    struct step : connect_op {
        connect_by_list_op* of = nullptr;
    };
    [[nodiscard]] static const detail::local_methods& served() noexcept;
    [[nodiscard]] static bool begin(local_operation& op);
    [[nodiscard]] static bool give_up(local_operation& op);
    static void ended(detail::runnable& self, detail::turn how);
    void attempt_next() noexcept;
    [[nodiscard]] bool note(const std::error_code& failed) noexcept;
    [[nodiscard]] std::error_code verdict() const noexcept;

    loop* on_ = nullptr;
    std::span<const endpoint> targets_;
    connect_options options_;
    std::size_t next_ = 0;
    time_point began_;
    attempt_list failed_;
    socket made_;
    step step_;
};

/// Connects to the first of `targets` that can be connected to: tries them one after another, in
/// their order, each with a socket of its own and the same `options`. `until` is one budget for all
/// of them; a single attempt has no limit of its own. The list belongs to the caller and stays at
/// its place, unchanged, until the operation has finished.
///
/// Gives the socket and the attempts that failed before it, each with its error. A cancel, or the
/// deadline, ends the attempt that is under way; what comes after it in the list is not touched,
/// and nothing stays open. A connection that was made meanwhile is the result.
///
/// Errors, where no attempt succeeded: that of the attempt that tells most, and of equal ones the
/// last: an answer of the target (connection_refused, connection_reset) before its silence
/// (timed_out), both before whatever else came from a socket or the network on the way, and an
/// address that this machine has no way to (network_unreachable, host_unreachable, address_not_
/// available, address_family_not_supported, invalid_argument: an empty endpoint, port 0, another
/// family than that of options.local) at the last. attempts() has them all.
/// Besides: errc::deadline_reached, errc::cancelled, invalid_argument for an empty list,
/// not_enough_memory (memory is asked for once, after the first failure), and what loop::error()
/// gives. Loop's thread.
[[nodiscard]] inline awaitable<connect_by_list_op>
connect_by_list(loop& on, std::span<const endpoint> targets, connect_options options = {},
                deadline until = never) noexcept {
    return awaitable<connect_by_list_op>(on, targets, options, until);
}
/// The same without options.
[[nodiscard]] inline awaitable<connect_by_list_op>
connect_by_list(loop& on, std::span<const endpoint> targets, deadline until) noexcept {
    return awaitable<connect_by_list_op>(on, targets, connect_options{}, until);
}

}  // namespace thole::tcp
