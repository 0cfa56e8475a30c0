// SPDX-License-Identifier: BSL-1.0
/// \file
/// Parting from a peer without losing what it was told.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <type_traits>

#include <thole/await.hpp>
#include <thole/deadline.hpp>
#include <thole/operation.hpp>
#include <thole/timer.hpp>

namespace thole::detail {

struct close_line;

}  // namespace thole::detail

namespace thole::tcp {

class socket;

/// How a connection is closed gracefully.
struct close_options {
    /// How many bytes of the peer's are read and thrown away while its end is awaited. One that
    /// sends more is aborted, and the report says close_end::limit.
    std::size_t most_discarded = std::size_t{16} << 20;
    /// Leave no TIME_WAIT on this side, at the price of a reset once the peer's system has
    /// everything: see the guide, which names better cures. On Linux that is sent as soon as our
    /// FIN is acknowledged (TCP_INFO says FIN_WAIT2), and what the peer might still have sent is
    /// given up (close_end::time_wait_avoided). On Windows it follows the peer's own FIN
    /// (close_end::peer_closed). A peer that closes first leaves none here anyway.
    bool avoid_time_wait = false;
};
static_assert(std::is_trivially_copyable_v<close_options>);

/// What ended a graceful close.
enum class close_end : std::uint8_t {
    peer_closed,        ///< both sides have finished: nothing was lost
    time_wait_avoided,  ///< all of ours was acknowledged; then a reset, as it was asked for
    reset,              ///< the connection was over: `error` says how
    deadline,           ///< the peer had not finished in time: aborted
    limit,              ///< the peer sent more than close_options::most_discarded: aborted
    cancelled,          ///< operation::cancel(): aborted
    failed,             ///< it could not begin, or go on: `error` says why; aborted if it was open
};

/// Where a graceful close was when it ended.
enum class close_phase : std::uint8_t {
    in_line,  ///< not begun: loop_options::graceful_closes others were running
    writing,  ///< a write that was pending had not finished
    waiting,  ///< our FIN was sent, and the peer's was awaited
};

/// What a graceful close gives.
struct [[nodiscard]] close_report {
    close_end ended_by = close_end::failed;    ///< what ended it
    close_phase phase = close_phase::in_line;  ///< where it was then
    /// Bytes known not to have reached the peer's system: the rest of a write that was pending
    /// and, where the system tells (Linux: SIOCOUTQ), what it held unacknowledged.
    std::size_t unsent = 0;
    std::size_t discarded = 0;  ///< bytes of the peer's that were read and thrown away
    /// None for peer_closed and time_wait_avoided; errc::deadline_reached, limit_reached or
    /// cancelled; else a code of the connection or the system.
    std::error_code error;

    /// Nothing went wrong.
    [[nodiscard]] explicit operator bool() const noexcept { return !error; }
};

/// The operation behind socket::close_gracefully(). It owns the connection from prepare() on.
class close_gracefully_op : public local_operation {
public:
    using result_type = close_report;
    THOLE_API close_gracefully_op() noexcept;
    close_gracefully_op(socket& on, deadline until, const close_options& options) noexcept
        : close_gracefully_op() {
        prepare(on, until, options);
    }
    /// Closes the connection where it was never started.
    THOLE_API ~close_gracefully_op();
    THOLE_API void prepare(socket& on, deadline until, const close_options& options = {}) noexcept;
    [[nodiscard]] THOLE_API close_report take() noexcept;

private:
    friend struct detail::close_line;
    // The reading of what is thrown away.
    struct step : operation {
        close_gracefully_op* of = nullptr;
        void prepare(verb asked, detail::socket_state& with, std::byte* bytes,
                     std::size_t most) noexcept {
            reset(asked, &with, unlimited);
            buffer = bytes;
            length = most;
        }
        using operation::outcome;
    };
    // An operation of the user's on this socket, whose end is awaited.
    struct awaited {
        operation* op = nullptr;
        void (*act)(detail::runnable&, detail::turn) = nullptr;  // its own
    };
    // The socket's neighbour in a ring of two: a closing one is in no list of the loop's.
    struct place : detail::socket_link {
        close_gracefully_op* of = nullptr;
    };

    [[nodiscard]] static const detail::local_methods& served() noexcept;
    [[nodiscard]] static bool begin(local_operation& op);
    [[nodiscard]] static bool give_up(local_operation& op);
    static void came_back(detail::runnable& self, detail::turn how);
    static void stepped(detail::runnable& self, detail::turn how);
    static void look(void* self);
    void go_on() noexcept;
    void wait_for(awaited& one, operation* pending) noexcept;
    void send_fin() noexcept;
    void read_on(verb asked) noexcept;
    void took(step& read) noexcept;
    void decide(close_end by, const std::error_code& as) noexcept;
    void end() noexcept;
    void release() noexcept;

    detail::socket_state* held_ = nullptr;
    close_options options_;
    close_report report_;
    bool running_ = false;        // else it stands in line
    bool resets_at_end_ = false;  // avoid_time_wait, where the system does not tell of our FIN
    bool decided_ = false;        // it ends as the report says when all has come back
    std::chrono::milliseconds pace_{0};     // between two looks
    close_gracefully_op* after_ = nullptr;  // in line
    close_gracefully_op* before_ = nullptr;
    awaited writer_;
    awaited reader_;
    place place_;
    step step_;
    timer looks_;
};

}  // namespace thole::tcp
