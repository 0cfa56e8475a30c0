// SPDX-License-Identifier: BSL-1.0
#include <cstdlib>

#include "core/error_table.hpp"
#include "posix/address.hpp"
#include "posix/handle.hpp"
#include "posix/outcome.hpp"
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

THOLE_APART bool names_itself(const native_state& state, const endpoint& target) noexcept {
    endpoint own;
    if (local_name(state.fd, own) == 0 && own == target) {
        static_cast<void>(reset_on_close(state.fd));
        return true;
    }
    return false;
}

progress refuse(operation& op, int raw) noexcept {
    settle_refused(op, raw);
    return progress::done;
}

progress made(operation& op, reactor_state& state) noexcept {
    if (is_to_itself(state, static_cast<tcp::connect_op&>(op).target())) {
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

// Begins the connection; 0: it is made.
int begin(operation& op, int fd) noexcept {
    const endpoint& to = static_cast<tcp::connect_op&>(op).target();
    if (op.length != 0) {
        if (const int raw = begin_fast_open(op, fd, to); raw != EOPNOTSUPP) {
            return raw;
        }
    }
    const native_address target = to_native(to);
    return sys::connect(fd, &target.any, target.length) == 0 ? 0 : errno;
}

}  // namespace

void settle_refused(operation& op, int raw) noexcept {
    op.count = 0;
    settle_error(op, decode(op.what, raw));
}

// Whether the target is of this machine our own name tells, so it is asked only for such ports.
bool is_to_itself(const native_state& state, const endpoint& target) noexcept {
    return (state.has(mark::bound) || is_ephemeral(target.port())) && names_itself(state, target);
}

// The system says how much it took, or only that it goes on; made is the connection in neither
// case.
int begin_fast_open([[maybe_unused]] operation& op, [[maybe_unused]] int fd,
                    [[maybe_unused]] const endpoint& to) noexcept {
#if defined(MSG_FASTOPEN)
    const native_address target = to_native(to);
    const ssize_t taken =
        sys::sendto(fd, op.buffer, op.length, MSG_FASTOPEN | MSG_NOSIGNAL | MSG_DONTWAIT,
                    &target.any, target.length);
    if (taken >= 0) {
        op.count = static_cast<std::size_t>(taken);
        return EINPROGRESS;
    }
    return is_without_fast_open(errno) ? EOPNOTSUPP : errno;
#else
    return EOPNOTSUPP;
#endif
}

// It was made, and reset before we looked (while connecting that is ECONNREFUSED). The first read
// shall tell (CN28); EPIPE stands for a reset after the peer's FIN.
bool is_made_in_spite_of(int raw, native_state& state) noexcept {
    if (raw != ECONNRESET && raw != EPIPE) {
        return false;
    }
    state.broken = static_cast<std::uint8_t>(raw == ECONNRESET ? raw : 0);
    return true;
}

namespace {

inline progress start_connect(operation& op, reactor_state& state) noexcept {
    const int raw = begin(op, state.fd);
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
inline progress finish_connect(operation& op, reactor_state& state, std::uint32_t events) noexcept {
    if (static_cast<tcp::connect_op&>(op).connected) {  // the rest of what it was given to send
        return finish_write(op, state);
    }
    if ((events & (event::error | event::hang_up | event::unsure)) == 0) {
        return made(op, state);
    }
    const int raw = pending_error(state.fd);
    if (is_made_in_spite_of(raw, state)) {
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

}  // namespace

// Registered once it has begun, and only then (R53).
bool reactor::submit_connect(operation& op, reactor_state& state) {
    bool& connected = static_cast<tcp::connect_op&>(op).connected;
    const progress at = start_connect(op, state);
    if (at == progress::done && !connected) {
        return true;
    }
    if (const int failed = reactor::attach(state)) [[unlikely]] {
        connected = false;
        settle_error(op, decode(op.what, failed));
        return true;
    }
    if (connected) {
        since(state) = steps();
    }
    if (at == progress::done) {
        return true;
    }
    state.writing.push_alone(op);
    state.set(mark::submitted);
    pause(state);
    return false;
}

// It stands there alone, for its socket is its own.
void reactor::serve_connect(operation& op, reactor_state& state, std::uint32_t events,
                            completions& finished) {
    bool& connected = static_cast<tcp::connect_op&>(op).connected;
    const bool before = connected;
    const progress at = finish_connect(op, state, events);
    if (connected && !before) {
        since(state) = steps();
    }
    if (at != progress::done) {
        pause(state);
        return;
    }
    state.writing.remove_alone();
    state.clear(mark::submitted);
    finished.push_done(op);
}

}  // namespace thole::detail
