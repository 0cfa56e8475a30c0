// SPDX-License-Identifier: BSL-1.0
/// \file
/// A connection without a loop.
#pragma once

#include <cstdint>
#include <utility>

#include <thole/endpoint.hpp>
#include <thole/result.hpp>
#include <thole/socket.hpp>

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

class accept_detached_op;

/// A connection that belongs to no loop yet, accepted or adopted: the only form that may cross
/// threads. Move-only; the destructor closes it: an accepted one with a reset, since nobody ever
/// used it, an adopted one as socket::close() does.
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

    /// Takes a connected TCP socket of the system over, blocking or not, that was made elsewhere:
    /// by another library, socket activation, socket::release(). From then on it is non-blocking
    /// (on POSIX also for whoever shares it through dup or fork) and not inherited by child
    /// processes; a positive SO_LINGER time, with which closing would block, is taken back. Any
    /// thread; nobody else may use it meanwhile.
    ///
    /// On failure the handle stays the caller's, untouched: bad_file_descriptor, not_a_socket,
    /// not_connected, invalid_argument (no stream), address_family_not_supported (neither IPv4 nor
    /// IPv6). That a socket of Windows belongs to another completion port already is seen by
    /// attach() only.
    [[nodiscard]] THOLE_API static result<detached_socket> adopt(native_handle native) noexcept;

    /// Makes it a socket of `on`, on that loop's thread. It is consumed, also by a failure, which
    /// closes it: a code of the system, errc::closed on an empty one, invalid_argument where the
    /// loop's backend is of another network (a simulated one).
    [[nodiscard]] THOLE_API result<socket> attach(loop& on) && noexcept;
    /// Our end. errc::closed, or a code of the system.
    [[nodiscard]] THOLE_API result<endpoint> local() const noexcept;
    /// The peer's end. The same errors.
    [[nodiscard]] THOLE_API result<endpoint> peer() const noexcept;
    /// Gives the connection up. Again: nothing.
    THOLE_API void close() noexcept;
    /// Neither closed, nor attached, nor moved from.
    [[nodiscard]] bool is_open() const noexcept { return owned_.methods != nullptr; }

private:
    friend class accept_detached_op;
    explicit detached_socket(const detail::loose_socket& owned) noexcept : owned_(owned) {}

    detail::loose_socket owned_;
};

}  // namespace thole::tcp
