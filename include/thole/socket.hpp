// SPDX-License-Identifier: BSL-1.0
/// \file
/// A TCP connection.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <thole/await.hpp>
#include <thole/close_gracefully.hpp>
#include <thole/deadline.hpp>
#include <thole/endpoint.hpp>
#include <thole/options.hpp>
#include <thole/receive.hpp>
#include <thole/result.hpp>
#include <thole/transfer.hpp>

namespace thole::detail {

/// How a connection is given up: by the system's own end, a FIN as a rule, or by a reset.
enum class farewell : bool { usual, reset };
/// A handle lets go of its state.
THOLE_API void close(socket_state& state, farewell how = farewell::usual) noexcept;

}  // namespace thole::detail

namespace thole::tcp {

class connect_op;
class accept_op;
class detached_socket;

/// A socket of the system: a descriptor on POSIX, a SOCKET on Windows.
using native_handle = std::uintptr_t;

/// A TCP connection, of one loop for life. Move-only; the destructor closes. An operation on a
/// closed or moved-from socket finishes at once with errc::closed. One read and one write may be
/// pending; a second finishes at once with errc::operation_in_progress, and nothing is lost.
///
/// Buffers, and arrays of buffers, belong to the caller and stay untouched at their place until the
/// operation has finished, also when it was cancelled. Loop's thread only.
///
/// Every operation below can finish with errc::cancelled (somebody cancelled it), errc::
/// deadline_reached (its own deadline), errc::closed (the handle was closed meanwhile), and the
/// kernel's codes: connection_reset, timed_out (keep-alive or retransmission gave up),
/// network_unreachable, host_unreachable. What was moved counts: bytes that arrived before the end
/// are a result, never lost. Where the system lacks a buffer or memory for it, an operation waits
/// and is tried again, until its deadline (`never`: for as long as that lasts).
class socket {
public:
    socket() noexcept = default;
    socket(socket&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    socket& operator=(socket&& other) noexcept {
        replace(std::exchange(other.state_, nullptr));
        return *this;
    }
    ~socket() { replace(nullptr); }

    /// Some bytes: waits until there are any, gives how many it put at the front of `buffer`. An
    /// empty buffer gives 0 at once. End: errc::end_of_stream once the peer has finished sending
    /// and all was read (RFC 9293 §3.6), connection_reset, std::errc::not_connected.
    [[nodiscard]] awaitable<read_op> read(mutable_bytes buffer, deadline until = never) noexcept {
        return awaitable<read_op>(*this, buffer, until);
    }
    /// The same into several buffers, filled in order.
    [[nodiscard]] awaitable<read_op> read(scatter buffers, deadline until = never) noexcept {
        return awaitable<read_op>(*this, buffers, until);
    }
    /// Some bytes, in a buffer that the loop lends: as read(), for connections that are idle for
    /// long, as an idle one owns no buffer. There is at least one byte in it. The buffer goes back
    /// when the lent_buffer goes, which may be kept as long as one likes.
    ///
    /// Where as many are lent as loop_options::lent_buffers says, a receive that has something to
    /// take waits until one comes back; those that wait are served in the order in which they came
    /// to. Nothing fails, and what cannot be taken stays in the kernel, whose peer waits in turn. A
    /// deadline, a cancel or a close ends that as well. It takes the place of a read, and ends as
    /// one; where there is no memory for a first buffer it waits as well.
    [[nodiscard]] awaitable<receive_op> receive(deadline until = never) noexcept {
        return awaitable<receive_op>(*this, until);
    }
    /// As read(), but the bytes stay: the next read gives them again. It takes the place of a read,
    /// so that only one of both may be pending, and gives what there is at one moment: a second
    /// peek sees the same bytes, and perhaps more after them. Ends as read().
    [[nodiscard]] awaitable<peek_op> peek(mutable_bytes buffer, deadline until = never) noexcept {
        return awaitable<peek_op>(*this, buffer, until);
    }
    /// The same into several buffers, filled in order.
    [[nodiscard]] awaitable<peek_op> peek(scatter buffers, deadline until = never) noexcept {
        return awaitable<peek_op>(*this, buffers, until);
    }
    /// Finishes when a read would not wait: there are bytes, the end of the stream, or an error,
    /// which that read then tells. Nothing is taken, and an idle connection needs no buffer. It
    /// takes the place of a read. Ends: errc::cancelled, errc::deadline_reached, errc::closed.
    ///
    /// There is no wait_writable(): a completion port has no honest one, and a kernel that says
    /// "writable" promises no number of bytes. write_some() waits for that and uses it.
    [[nodiscard]] awaitable<wait_readable_op> wait_readable(deadline until = never) noexcept {
        return awaitable<wait_readable_op>(*this, until);
    }
    /// Finishes when the peer has finished sending (FIN, RFC 9293 §3.6) or the connection is over;
    /// the next read tells which, after the bytes that lie before it. So a server that computes, or
    /// only writes, notices that nobody waits any more. Nothing is taken, and bytes that lie unread
    /// do not end it. It takes the place of a read: cancel it before you read. A peer that has
    /// finished sending may still want to read.
    ///
    /// At once on epoll and io_uring; on select and Windows, while unread bytes lie before the end,
    /// by looking every 20 milliseconds; Wine 8 does not tell it then. Ends: errc::cancelled,
    /// errc:: deadline_reached, errc::closed.
    [[nodiscard]] awaitable<closed_op> closed(deadline until = never) noexcept {
        return awaitable<closed_op>(*this, until);
    }
    /// All of `buffer`. The transfer tells how many bytes came, also when it ended early.
    [[nodiscard]] awaitable<read_exactly_op> read_exactly(mutable_bytes buffer,
                                                          deadline until = never) noexcept {
        return awaitable<read_exactly_op>(*this, buffer, until);
    }
    /// The same into several buffers, filled in order.
    [[nodiscard]] awaitable<read_exactly_op> read_exactly(scatter buffers,
                                                          deadline until = never) noexcept {
        return awaitable<read_exactly_op>(*this, buffers, until);
    }
    /// Sends all of `buffer`: success means that the kernel took it. The transfer tells how many
    /// bytes it took, also when it ended early; after an early end the stream is not to be written
    /// to again. More ends: std::errc::broken_pipe after shutdown_write() or once the peer is gone.
    /// Never raises SIGPIPE.
    [[nodiscard]] awaitable<write_op> write(const_bytes buffer, deadline until = never) noexcept {
        return awaitable<write_op>(*this, buffer, until);
    }
    /// The same from several buffers, as one stream of bytes.
    [[nodiscard]] awaitable<write_op> write(gather buffers, deadline until = never) noexcept {
        return awaitable<write_op>(*this, buffers, until);
    }
    /// What the kernel takes in one step, at least one byte; an empty buffer gives 0 at once.
    [[nodiscard]] awaitable<write_some_op> write_some(const_bytes buffer,
                                                      deadline until = never) noexcept {
        return awaitable<write_some_op>(*this, buffer, until);
    }
    /// The same from several buffers, as one stream of bytes.
    [[nodiscard]] awaitable<write_some_op> write_some(gather buffers,
                                                      deadline until = never) noexcept {
        return awaitable<write_some_op>(*this, buffers, until);
    }

    /// Sends our FIN: the peer reads end_of_stream after what was written; reading goes on.
    /// Again: nothing. errc::operation_in_progress while a write is pending; errc::closed;
    /// not_connected.
    THOLE_API result<void> shutdown_write() noexcept;

    /// At once: cancels what is pending (it finishes in a later turn with errc::closed, a write
    /// with the bytes that the kernel took) and gives the connection up. What the kernel has taken
    /// is still sent, unless bytes were left unread, which makes it a reset. Again: nothing.
    void close() noexcept { replace(nullptr); }
    /// Like close(), but with a reset on the wire: what was not yet sent is dropped, and the peer
    /// sees connection_reset (RFC 9293 §3.10.5). Also after shutdown_write().
    THOLE_API void abort() noexcept;
    /// Parts without loss: what is being written drains, a FIN follows, and what the peer still
    /// sends is read and thrown away until it has finished, too; then the connection is closed. So
    /// bytes left unread never turn the close into a reset, which could destroy our last answer on
    /// its way to the peer (RFC 9293 §3.6.1, RFC 1122 §4.2.2.13).
    ///
    /// From the call on this handle is closed, and the operation owns the connection: one that is
    /// never awaited closes it as close() does. A read that is pending ends with errc::closed; a
    /// write that is pending goes on under its own deadline, to its own end. `until` is one budget
    /// for all, from the start: after it the connection is aborted (a reset on the wire), and
    /// likewise where the peer sends more than `options` allow.
    ///
    /// The report says what ended it, and where; nothing is told by an exception. A cancel of the
    /// awaiting task does not reach it, nor does the task's own deadline: it runs to its own.
    /// operation::cancel() on it aborts at once; a loop that ends closes as it closes all handles.
    ///
    /// At most loop_options::graceful_closes of a loop run at a time; others stand in line, in
    /// order, while their time runs. A closed handle gives close_end::failed with errc::closed.
    [[nodiscard]] awaitable<close_gracefully_op>
    close_gracefully(deadline until = within(std::chrono::seconds(5)),
                     close_options options = {}) noexcept {
        return awaitable<close_gracefully_op>(*this, until, options);
    }

    /// Gives the system's socket away: on success the caller owns it, and this handle is closed.
    /// The loop has let go of it (on epoll it is taken out of the set first). With `blocking` it is
    /// put back into blocking mode, else it stays non-blocking; it is not inherited by child
    /// processes either way. The opposite is detached_socket::adopt().
    ///
    /// errc::operation_in_progress while anything is pending; errc::closed;
    /// std::errc::operation_not_supported on the simulated network, which has no such sockets, and
    /// on Windows before 8.1 and under Wine, where a socket is bound to its completion port for
    /// life. On failure nothing has changed. On Windows an operation that succeeds at once still
    /// posts no packet, as SetFileCompletionNotificationModes() cannot be undone.
    [[nodiscard]] THOLE_API result<native_handle> release(bool blocking) noexcept;

    THOLE_API void cancel() noexcept;        ///< cancels what is pending
    THOLE_API void cancel_read() noexcept;   ///< cancels the pending read
    THOLE_API void cancel_write() noexcept;  ///< cancels the pending write

    /// Neither closed nor moved from.
    [[nodiscard]] bool is_open() const noexcept { return state_ != nullptr; }
    /// Our end. errc::closed, or a code of the system.
    [[nodiscard]] THOLE_API result<endpoint> local() const noexcept;
    /// How long the connection stands, from the end of connect(), accept() or attach(), for as long
    /// as the handle is open. In steps: of about a tenth of a second; on Windows, where the system
    /// counts from the handshake (SO_CONNECT_TIME), of a second. errc::closed;
    /// std::errc::not_connected.
    [[nodiscard]] THOLE_API result<std::chrono::milliseconds> connected_for() const noexcept;
    /// The peer's end. errc::closed; std::errc::not_connected once a reset was seen.
    [[nodiscard]] THOLE_API result<endpoint> peer() const noexcept;

    // Options. Each takes effect at once and never blocks; asking gives what the system says. All
    // fail with errc::closed on a closed handle, std::errc::operation_not_supported where the
    // system does not have the option, invalid_argument for a value that it does not take, and
    // other codes of the system. There is no lingering: abort() is SO_LINGER with a time of zero,
    // and a positive time, with which close() would block, is never set.

    /// TCP_NODELAY: send small writes at once, instead of holding them while unacknowledged data is
    /// under way (RFC 9293 §3.7.4). Off at first.
    THOLE_API result<void> no_delay(bool on) noexcept;
    /// Whether it is set. The same errors.
    [[nodiscard]] THOLE_API result<bool> no_delay() const noexcept;
    /// SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT. The numbers are set when it is
    /// switched on. Windows before 10 (1709) takes no count, and cannot be asked for the numbers:
    /// those are 0 in the answer.
    THOLE_API result<void> keep_alive(keep_alive_options how) noexcept;
    /// How it is set. The same errors.
    [[nodiscard]] THOLE_API result<keep_alive_options> keep_alive() const noexcept;
    /// SO_SNDBUF: how many bytes the kernel takes before a write waits. The system bounds it in
    /// silence (socket(7): net.core.wmem_max) and stops tuning it by itself. Asking gives what it
    /// made of that, on Linux twice the number that was set. Zero is invalid_argument: on Windows
    /// it would mean that each write waits for the peer's acknowledgement, on POSIX nothing.
    THOLE_API result<void> send_buffer(std::size_t bytes) noexcept;
    /// What the system made of it. The same errors.
    [[nodiscard]] THOLE_API result<std::size_t> send_buffer() const noexcept;
    /// SO_RCVBUF: how many bytes the kernel holds that nobody has read; the peer waits then. As
    /// send_buffer(). To widen the window of the connection (RFC 7323 §2.3) it must be set before
    /// there is one: connect_options, listen_options.
    THOLE_API result<void> receive_buffer(std::size_t bytes) noexcept;
    /// What the system made of it. The same errors.
    [[nodiscard]] THOLE_API result<std::size_t> receive_buffer() const noexcept;
    /// TCP_USER_TIMEOUT (RFC 5482, tcp(7)): how long sent data may stay unacknowledged before the
    /// kernel ends the connection with std::errc::timed_out. Zero: as long as the system's own
    /// retransmissions take. Windows: TCP_MAXRT, in whole seconds, rounded up; zero is
    /// invalid_argument there. Deadlines of operations do not depend on it.
    THOLE_API result<void> user_timeout(std::chrono::milliseconds time) noexcept;
    /// What is set. The same errors.
    [[nodiscard]] THOLE_API result<std::chrono::milliseconds> user_timeout() const noexcept;

    /// What `never` means here from now on: an operation of this socket that is started without a
    /// deadline has `within(times.read)`, or `within(times.write)`, as if that had been passed, and
    /// ends with errc::deadline_reached. A deadline that is passed wins, a longer one too:
    /// `unlimited` says that one call may take for ever. What is pending already keeps its own.
    ///
    ///     peer.default_times({.read = 30s, .write = 10s});
    ///
    /// Costs a socket no memory and a call next to nothing. Errors: errc::closed; invalid_argument
    /// for a negative time; errc::limit_reached where the sockets of this loop have 255 different
    /// settings already; not_enough_memory.
    THOLE_API result<void> default_times(transfer_times times) noexcept;
    /// What is set. errc::closed.
    [[nodiscard]] THOLE_API result<transfer_times> default_times() const noexcept;

    /// For the library itself.
    [[nodiscard]] detail::socket_state* state() const noexcept { return state_; }

private:
    friend class connect_op;
    friend class accept_op;
    friend class close_gracefully_op;
    friend class detached_socket;
    friend struct detail::loop_core;
    explicit socket(detail::socket_state* state) noexcept : state_(state) {}
    // The handle's address goes nowhere, so that compilers see through moves.
    void replace(detail::socket_state* with) noexcept {
        if (detail::socket_state* before = std::exchange(state_, with)) {
            detail::close(*before);
        }
    }

    detail::socket_state* state_ = nullptr;
};

template <verb V, class R, class Byte>
void transfer_op<V, R, Byte>::prepare(socket& on, buffer_type bytes, deadline until) noexcept {
    this->reset(V, on.state(), until);
    this->buffer = const_cast<std::remove_const_t<Byte>*>(bytes.data());
    this->length = bytes.size();
}

template <verb V, class R, class Byte>
void transfer_op<V, R, Byte>::prepare(socket& on, pieces_type pieces, deadline until) noexcept {
    this->reset(V, on.state(), until, true);
    this->buffer = const_cast<std::span<Byte>*>(pieces.data());
    this->length = pieces.size();
}

inline void receive_op::prepare(socket& on, deadline until) noexcept {
    reset(verb::receive, on.state(), until);
    give_back();
    length = 1;
}

// Its length is not used; 0 would be a transfer of nothing.
template <verb V>
void wait_op<V>::prepare(socket& on, deadline until) noexcept {
    reset(V, on.state(), until);
    buffer = nullptr;
    length = 1;
}

}  // namespace thole::tcp
