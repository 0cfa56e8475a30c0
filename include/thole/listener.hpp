// SPDX-License-Identifier: BSL-1.0
/// \file
/// Accepting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <thole/await.hpp>
#include <thole/deadline.hpp>
#include <thole/detached_socket.hpp>
#include <thole/endpoint.hpp>
#include <thole/operation.hpp>
#include <thole/result.hpp>
#include <thole/socket.hpp>

namespace thole::tcp {

class listener;

/// What becomes of clients while the system has no descriptor, no buffer or no memory for one more
/// connection. Whichever it is: the loop sleeps meanwhile, and asks again after 5 ms, then after
/// twice the time, a quarter of a second at the most.
enum class exhaustion_policy : std::uint8_t {
    pause,  ///< they wait in the system's queue, and accept() for them; nobody is lost
    /// Those who wait are reset at once, so that they may go elsewhere; accept() waits. For that
    /// the loop keeps a descriptor in reserve. Where another resource than descriptors is lacking,
    /// and on Windows, as `pause`.
    shed,
    report,  ///< accept() ends with the error, and the program decides when to ask again
};

/// What a listener has seen since it was opened, and what it has now: see listener::counters().
struct listener_counters {
    std::uint64_t accepted = 0;  ///< connections that an accept() was given
    std::uint64_t absorbed = 0;  ///< clients that failed before they were accepted: nobody is told
    std::uint64_t shed = 0;      ///< clients that were reset for lack of a resource
    std::uint64_t pauses = 0;    ///< how often an accept() had to wait for a resource
    std::size_t parked = 0;      ///< now: connections that the listener has and nobody asked for
    std::size_t standing = 0;    ///< now: requests that stand in the kernel for connections to come
};
static_assert(std::is_trivially_copyable_v<listener_counters>);

/// What listener::open() may be given besides the address.
struct listen_options {
    bool reuse_address =
        true;                 ///< POSIX: SO_REUSEADDR. Windows: always exclusive use, whatever this
    bool dual_stack = false;  ///< an IPv6 listener takes IPv4 clients too, seen as mapped addresses
    /// POSIX: SO_REUSEPORT. Several listeners, of one user, may have the same address; the system
    /// spreads the clients among them, so that each loop of a program has a listener of its own.
    /// All must ask for it. When one of them closes, the clients that wait in its queue are reset:
    /// they are never handed to the others (the system's way). Elsewhere: operation_not_supported.
    bool reuse_port = false;
    int backlog = 0;  ///< connections the system holds for us; 0: as many as it lets us
    /// Connections that the listener may have asked for before anybody awaits them: on Windows the
    /// number of AcceptEx that stand ready while little comes. 1 to 64.
    int standing_accepts = 4;
    /// Windows: how many AcceptEx stand ready at the most, together with connections that nobody
    /// has claimed yet: where clients come faster, and are claimed as fast, their number doubles up
    /// to this one, and goes down again afterwards. standing_accepts to 1024.
    int most_standing_accepts = 64;
    int send_buffer = 0;     ///< SO_SNDBUF of what is accepted, in bytes; 0: the system's
    int receive_buffer = 0;  ///< SO_RCVBUF of what is accepted, in bytes; 0: the system's
    /// What becomes of clients for whom there is no descriptor, no buffer or no memory.
    exhaustion_policy when_exhausted = exhaustion_policy::pause;
};
static_assert(std::is_trivially_copyable_v<listen_options>);

/// The operation behind listener::accept().
class accept_op : public operation {
public:
    using result_type = result<socket>;
    accept_op() noexcept = default;
    accept_op(listener& on, deadline until) noexcept { prepare(on, until); }
    ~accept_op() {
        if (made_.is_open()) [[unlikely]] {
            made_.abort();  // nobody took it
        }
    }
    void prepare(listener& on, deadline until = {}) noexcept;
    [[nodiscard]] result<socket> take() noexcept {
        if (error != 0) [[unlikely]] {
            return unexpected(failure());
        }
        return std::move(made_);
    }

private:
    friend struct detail::loop_core;
    socket made_;
};

/// The operation behind listener::accept_detached().
class accept_detached_op : public operation {
public:
    using result_type = result<detached_socket>;
    accept_detached_op() noexcept = default;
    accept_detached_op(listener& on, deadline until) noexcept { prepare(on, until); }
    THOLE_API ~accept_detached_op();
    void prepare(listener& on, deadline until = {}) noexcept;
    [[nodiscard]] THOLE_API result<detached_socket> take() noexcept;

    detail::loose_socket accepted;  ///< the backend's
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
    /// operation_not_supported (options.reuse_port), too_many_files_open, and what loop::error()
    /// gives.
    [[nodiscard]] THOLE_API static result<listener> open(loop& on, const endpoint& where,
                                                         listen_options options = {}) noexcept;

    /// The next connection, as a socket of this loop. Any number may be pending; they are served in
    /// order. One client's failure is never an error here: it is absorbed and counted. Where a
    /// descriptor, a buffer or memory is lacking it waits, by options.when_exhausted; `never` is
    /// then as long as the resource is lacking. A client that was taken and for whom this loop has
    /// no room is reset. Ends: errc::cancelled, errc::deadline_reached, errc::closed; with
    /// exhaustion_policy::report also too_many_files_open, too_many_files_open_in_system,
    /// no_buffer_space and not_enough_memory; a code of the system that says that the listener's
    /// handle is none any more. After all of them but errc::closed and the last the listener lives.
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
    /// Neither closed nor moved from.
    [[nodiscard]] bool is_open() const noexcept { return state_ != nullptr; }
    /// The address with the port in use. errc::closed, or a code of the system.
    [[nodiscard]] THOLE_API result<endpoint> local() const noexcept;
    /// What has become of its clients; zeros where it is not open.
    [[nodiscard]] THOLE_API listener_counters counters() const noexcept;

    /// For the library itself.
    [[nodiscard]] detail::socket_state* state() const noexcept { return state_; }

private:
    explicit listener(detail::socket_state* state) noexcept : state_(state) {}

    detail::socket_state* state_ = nullptr;
};

inline void accept_op::prepare(listener& on, deadline until) noexcept {
    reset(verb::accept, on.state(), until);
}
inline void accept_detached_op::prepare(listener& on, deadline until) noexcept {
    reset(verb::accept_detached, on.state(), until);
}

}  // namespace thole::tcp
