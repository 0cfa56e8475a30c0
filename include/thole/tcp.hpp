// SPDX-License-Identifier: BSL-1.0
/// \file
/// TCP: connecting, accepting, bytes both ways.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <thole/await.hpp>
#include <thole/deadline.hpp>
#include <thole/endpoint.hpp>
#include <thole/operation.hpp>
#include <thole/result.hpp>

namespace thole::detail {

/// A connected socket that belongs to no loop: its handle, whose functions close and name it, and
/// the names where they are known already.
struct native_methods;
struct loose_socket {
    std::uintptr_t native = 0;
    const native_methods* methods = nullptr;  ///< null: none
    endpoint local;
    endpoint peer;
};

}  // namespace thole::detail

namespace thole::tcp {

class socket;
class listener;
class detached_socket;

using mutable_bytes = std::span<std::byte>;                  ///< where received bytes go
using const_bytes = std::span<const std::byte>;              ///< what is sent
using scatter = std::span<const std::span<std::byte>>;       ///< several of the first
using gather = std::span<const std::span<const std::byte>>;  ///< several of the second

/// What connect() may be given besides the target.
struct connect_options {
    endpoint local{};       ///< the address to come from; empty: the system chooses
    bool no_delay = false;  ///< TCP_NODELAY from the start
};
static_assert(std::is_trivially_copyable_v<connect_options>);

/// What listener::open() may be given besides the address.
struct listen_options {
    bool reuse_address =
        true;                 ///< POSIX: SO_REUSEADDR. Windows: always exclusive use, whatever this
    bool dual_stack = false;  ///< an IPv6 listener takes IPv4 clients too, seen as mapped addresses
    int backlog = 0;          ///< connections the system holds for us; 0: as many as it lets us
    /// Connections that the listener may have asked for before anybody awaits them: on Windows the
    /// number of AcceptEx that stand ready. 1 to 64.
    int standing_accepts = 4;
};
static_assert(std::is_trivially_copyable_v<listen_options>);

/// Bytes one way. `R` is result<std::size_t> where one step does it, transfer where several may.
template <verb V, class R, class Byte>
class transfer_op : public operation {
public:
    using result_type = R;
    using buffer_type = std::span<Byte>;
    using pieces_type = std::span<const std::span<Byte>>;

    transfer_op() noexcept = default;
    transfer_op(socket& on, buffer_type bytes, deadline until) noexcept {
        prepare(on, bytes, until);
    }
    transfer_op(socket& on, pieces_type pieces, deadline until) noexcept {
        prepare(on, pieces, until);
    }
    void prepare(socket& on, buffer_type bytes, deadline until = {}) noexcept;
    void prepare(socket& on, pieces_type pieces, deadline until = {}) noexcept;

    [[nodiscard]] R take() noexcept {
        if constexpr (std::is_same_v<R, transfer>) {
            return {this->count, this->outcome()};
        } else {
            if (this->error != 0) {
                return unexpected(this->failure());
            }
            return this->count;
        }
    }
};

using read_op = transfer_op<verb::read, result<std::size_t>, std::byte>;
using read_exactly_op = transfer_op<verb::read_exactly, transfer, std::byte>;
using write_op = transfer_op<verb::write, transfer, const std::byte>;
using write_some_op = transfer_op<verb::write_some, result<std::size_t>, const std::byte>;

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
/// network_unreachable, host_unreachable, no_buffer_space. What was moved counts: bytes that
/// arrived before the end are a result, never lost.
class socket {
public:
    socket() noexcept = default;
    socket(socket&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    socket& operator=(socket&& other) noexcept {
        if (this != &other) {
            close();
            state_ = std::exchange(other.state_, nullptr);
        }
        return *this;
    }
    ~socket() { close(); }

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
    /// All of `buffer`. The transfer tells how many bytes came, also when it ended early.
    [[nodiscard]] awaitable<read_exactly_op> read_exactly(mutable_bytes buffer,
                                                          deadline until = never) noexcept {
        return awaitable<read_exactly_op>(*this, buffer, until);
    }
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
    [[nodiscard]] awaitable<write_some_op> write_some(gather buffers,
                                                      deadline until = never) noexcept {
        return awaitable<write_some_op>(*this, buffers, until);
    }

    /// Sends our FIN: the peer reads end_of_stream after what was written; reading goes on.
    /// errc::operation_in_progress while a write is pending; errc::closed; not_connected.
    THOLE_API result<void> shutdown_write() noexcept;

    /// At once: cancels what is pending (it finishes in a later turn with errc::closed, a write
    /// with the bytes that the kernel took) and gives the connection up. What the kernel has taken
    /// is still sent, unless bytes were left unread, which makes it a reset. Again: nothing.
    THOLE_API void close() noexcept;
    /// Like close(), but with a reset on the wire: what was not yet sent is dropped, and the peer
    /// sees connection_reset (RFC 9293 §3.10.5).
    THOLE_API void abort() noexcept;

    THOLE_API void cancel() noexcept;        ///< cancels what is pending
    THOLE_API void cancel_read() noexcept;   ///< cancels the pending read
    THOLE_API void cancel_write() noexcept;  ///< cancels the pending write

    [[nodiscard]] bool is_open() const noexcept { return state_ != nullptr; }
    /// Our end. errc::closed, or a code of the system.
    [[nodiscard]] THOLE_API result<endpoint> local() const noexcept;
    /// The peer's end. errc::closed; std::errc::not_connected once a reset was seen.
    [[nodiscard]] THOLE_API result<endpoint> peer() const noexcept;
    /// TCP_NODELAY: send small writes at once. errc::closed, or a code of the system.
    THOLE_API result<void> no_delay(bool on) noexcept;
    [[nodiscard]] THOLE_API result<bool> no_delay() const noexcept;

    [[nodiscard]] detail::socket_state* state() const noexcept { return state_; }

private:
    friend class connect_op;
    friend class accept_op;
    friend class detached_socket;
    friend struct detail::loop_core;
    explicit socket(detail::socket_state* state) noexcept : state_(state) {}

    detail::socket_state* state_ = nullptr;
};

/// The operation behind tcp::connect().
class connect_op : public operation {
public:
    using result_type = result<socket>;
    connect_op() noexcept = default;
    connect_op(loop& on, const endpoint& target, const connect_options& options,
               deadline until) noexcept {
        prepare(on, target, options, until);
    }
    THOLE_API void prepare(loop& on, const endpoint& target, const connect_options& options = {},
                           deadline until = {}) noexcept;
    [[nodiscard]] THOLE_API result<socket> take() noexcept;

    [[nodiscard]] const endpoint& target() const noexcept { return target_; }

private:
    friend struct detail::loop_core;
    endpoint target_;
    connect_options options_;
    socket made_;
};

/// Connects to `target` from a socket made for this attempt alone. Gives the connected socket. The
/// unspecified address (0.0.0.0, ::) means this machine's loopback on every platform. A failed,
/// cancelled or late attempt leaves nothing open; a connection that was made is the result, also
/// when the deadline or a cancel came meanwhile.
///
/// Errors: connection_refused (also for a connection to itself, RFC 9293 §3.5), timed_out (the
/// kernel gave up), errc::deadline_reached, errc::cancelled, network_unreachable, host_unreachable,
/// connection_reset, address_not_available (also: no local port left), address_in_use and
/// permission_denied for `options.local`, invalid_argument (an empty target, port 0, families that
/// do not match), too_many_files_open, and what loop::error() gives.
[[nodiscard]] inline awaitable<connect_op> connect(loop& on, const endpoint& target,
                                                   connect_options options = {},
                                                   deadline until = never) noexcept {
    return awaitable<connect_op>(on, target, options, until);
}
[[nodiscard]] inline awaitable<connect_op> connect(loop& on, const endpoint& target,
                                                   deadline until) noexcept {
    return awaitable<connect_op>(on, target, connect_options{}, until);
}

/// An accepted connection that belongs to no loop yet: the only form that may cross threads.
/// Move-only; the destructor closes it.
class detached_socket {
public:
    detached_socket() noexcept = default;
    detached_socket(detached_socket&& other) noexcept : owned_(std::exchange(other.owned_, {})) {}
    detached_socket& operator=(detached_socket&& other) noexcept {
        if (this != &other) {
            close();
            owned_ = std::exchange(other.owned_, {});
        }
        return *this;
    }
    ~detached_socket() { close(); }

    /// Makes it a socket of `on`, on that loop's thread. It is consumed, also by a failure, which
    /// closes it: a code of the system, errc::closed on an empty one, invalid_argument where the
    /// loop's backend is of another network (a simulated one).
    [[nodiscard]] THOLE_API result<socket> attach(loop& on) && noexcept;
    [[nodiscard]] THOLE_API result<endpoint> local() const noexcept;
    [[nodiscard]] THOLE_API result<endpoint> peer() const noexcept;
    THOLE_API void close() noexcept;
    [[nodiscard]] bool is_open() const noexcept { return owned_.methods != nullptr; }

private:
    friend class accept_detached_op;
    explicit detached_socket(const detail::loose_socket& owned) noexcept : owned_(owned) {}

    detail::loose_socket owned_;
};

/// The operation behind listener::accept().
class accept_op : public operation {
public:
    using result_type = result<socket>;
    accept_op() noexcept = default;
    accept_op(listener& on, deadline until) noexcept { prepare(on, until); }
    THOLE_API ~accept_op();
    THOLE_API void prepare(listener& on, deadline until = {}) noexcept;
    [[nodiscard]] THOLE_API result<socket> take() noexcept;

    detail::loose_socket accepted;  ///< the backend's: what it took from the inbound queue
};

/// The operation behind listener::accept_detached().
class accept_detached_op : public accept_op {
public:
    using result_type = result<detached_socket>;
    using accept_op::accept_op;
    THOLE_API accept_detached_op(listener& on, deadline until) noexcept;
    THOLE_API void prepare(listener& on, deadline until = {}) noexcept;
    [[nodiscard]] THOLE_API result<detached_socket> take() noexcept;
};

/// A listening socket, of one loop for life. Move-only; the destructor closes. Loop's thread only.
class listener {
public:
    listener() noexcept = default;
    listener(listener&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    listener& operator=(listener&& other) noexcept {
        if (this != &other) {
            close();
            state_ = std::exchange(other.state_, nullptr);
        }
        return *this;
    }
    ~listener() { close(); }

    /// Binds to `where` (port 0: the system chooses, see local()) and listens. IPV6_V6ONLY is set
    /// either way, by options.dual_stack. Errors: address_in_use, address_not_available,
    /// permission_denied, invalid_argument (an empty endpoint, an option out of its range),
    /// too_many_files_open, and what loop::error() gives.
    [[nodiscard]] THOLE_API static result<listener> open(loop& on, const endpoint& where,
                                                         listen_options options = {}) noexcept;

    /// The next connection, as a socket of this loop. Any number may be pending; they are served in
    /// order. One client's failure is never an error here. Ends: errc::cancelled, errc::
    /// deadline_reached, errc::closed; too_many_files_open and no_buffer_space, after which the
    /// listener lives and no client is lost.
    [[nodiscard]] awaitable<accept_op> accept(deadline until = never) noexcept {
        return awaitable<accept_op>(*this, until);
    }
    /// The same, for another loop to attach.
    [[nodiscard]] awaitable<accept_detached_op> accept_detached(deadline until = never) noexcept {
        return awaitable<accept_detached_op>(*this, until);
    }

    /// Cancels every pending accept. The listener goes on, and no client is lost.
    THOLE_API void cancel() noexcept;
    /// Stops listening, cancels what is pending, closes what was accepted for nobody.
    THOLE_API void close() noexcept;
    [[nodiscard]] bool is_open() const noexcept { return state_ != nullptr; }
    /// The address with the port in use. errc::closed, or a code of the system.
    [[nodiscard]] THOLE_API result<endpoint> local() const noexcept;

    [[nodiscard]] detail::socket_state* state() const noexcept { return state_; }

private:
    explicit listener(detail::socket_state* state) noexcept : state_(state) {}

    detail::socket_state* state_ = nullptr;
};

template <verb V, class R, class Byte>
void transfer_op<V, R, Byte>::prepare(socket& on, buffer_type bytes, deadline until) noexcept {
    this->reset(V, nullptr, on.state(), until);
    this->buffer = const_cast<std::remove_const_t<Byte>*>(bytes.data());
    this->length = bytes.size();
}

template <verb V, class R, class Byte>
void transfer_op<V, R, Byte>::prepare(socket& on, pieces_type pieces, deadline until) noexcept {
    this->reset(V, nullptr, on.state(), until, true);
    this->buffer = const_cast<std::span<Byte>*>(pieces.data());
    this->length = pieces.size();
}

}  // namespace thole::tcp
