// SPDX-License-Identifier: BSL-1.0
#include <cstdlib>

#include "core/error_table.hpp"
#include "posix/address.hpp"
#include "posix/handle.hpp"
#include "posix/verbs.hpp"

namespace thole::detail {
namespace {

struct port_range {
    long first = 1024;
    long last = 65535;
};

// The ports that this machine gives to connections of its own.
port_range read_ephemeral() noexcept {
    port_range range;
    const int fd = sys::open("/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return range;
    }
    char text[64] = {};
    if (sys::read(fd, text, sizeof text - 1) > 0) {
        char* second = nullptr;
        const long first = std::strtol(text, &second, 10);
        const long last = std::strtol(second, nullptr, 10);
        if (first > 0 && last >= first) {
            range = {first, last};
        }
    }
    close_handle(fd);
    return range;
}

bool is_ephemeral(std::uint16_t port) noexcept {
    static const port_range range = read_ephemeral();
    return port >= range.first && port <= range.last;
}

progress refuse(operation& op, int raw) noexcept {
    op.count = 0;  // what went with the SYN reached nobody
    settle_error(op, decode(op.what, raw));
    return progress::done;
}

// Connected. R75: to itself, where our port happened to be the target's; that is nobody's service.
// Whether the target is of this machine our own name tells, so it is asked only for such ports.
progress made(operation& op, reactor_state& state) noexcept {
    const endpoint& target = static_cast<tcp::connect_op&>(op).target();
    endpoint own;
    if ((state.bound || is_ephemeral(target.port())) && local_name(state.fd, own) == 0 &&
        own == target) {
        static_cast<void>(reset_on_close(state.fd));
        return refuse(op, ECONNREFUSED);
    }
    static_cast<tcp::connect_op&>(op).connected = true;
    if (op.count < op.length) {
        return finish_write(op, state);
    }
    settle_done(op);
    return progress::done;
}

#if defined(MSG_FASTOPEN)
// The system's word that it does not do this, whatever the target.
bool is_without_fast_open(int raw) noexcept {
    return raw == EOPNOTSUPP || raw == EINVAL || raw == ENOTCONN || raw == EPIPE || raw == EPERM ||
           raw == EPROTONOSUPPORT || raw == ENOPROTOOPT || raw == ENOSYS;
}
#endif

// Begins the connection; 0: it is made. R77: what was given to send goes with the SYN (RFC 7413)
// where the system knows a cookie for that. It then says how much it took, or only that it goes on;
// made is the connection in neither case.
int begin(operation& op, int fd, const native_address& target) noexcept {
#if defined(MSG_FASTOPEN)
    if (op.length != 0) {
        const ssize_t taken = sys::sendto(fd, op.buffer, op.length, MSG_FASTOPEN | MSG_NOSIGNAL,
                                          &target.any, target.length);
        if (taken >= 0) {
            op.count = static_cast<std::size_t>(taken);
            return EINPROGRESS;
        }
        if (!is_without_fast_open(errno)) {
            return errno;
        }
    }
#endif
    return sys::connect(fd, &target.any, target.length) == 0 ? 0 : errno;
}

}  // namespace

progress start_connect(operation& op, reactor_state& state) noexcept {
    const native_address target = to_native(static_cast<tcp::connect_op&>(op).target());
    const int raw = begin(op, state.fd, target);
    if (raw == 0) {
        return made(op, state);
    }
    // R54: interrupted, it goes on by itself; to call again would be an error.
    if (raw == EINPROGRESS || raw == EINTR) {
        return progress::wait_writable;
    }
    return refuse(op, raw);
}

// R53: it was registered after it had begun, so that a plain event "writable" is the connection.
progress finish_connect(operation& op, reactor_state& state, std::uint32_t events) noexcept {
    if (static_cast<tcp::connect_op&>(op).connected) {  // the rest of what it was given to send
        return finish_write(op, state);
    }
    if ((events & (event::error | event::hang_up | event::unsure)) == 0) {
        return made(op, state);
    }
    const int raw = pending_error(state.fd);
    if (raw == ECONNRESET || raw == EPIPE) {
        // It was made, and reset before we looked (while connecting that is ECONNREFUSED). The
        // first read shall tell (CN28); EPIPE stands for a reset after the peer's FIN.
        state.broken = static_cast<std::uint8_t>(raw == ECONNRESET ? raw : 0);
        return made(op, state);
    }
    if (raw != 0) {
        return refuse(op, raw);
    }
    endpoint peer;
    if (peer_name(state.fd, peer) != 0) {
        return progress::wait_writable;
    }
    return made(op, state);
}

}  // namespace thole::detail
