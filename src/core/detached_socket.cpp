// SPDX-License-Identifier: BSL-1.0
#include <thole/detached_socket.hpp>

#include "core/backends.hpp"
#include "core/loop_core.hpp"

namespace thole::tcp {

result<detached_socket> detached_socket::adopt(native_handle native) noexcept {
    detail::loose_socket taken;
    if (const std::error_code failed = detail::adopt_native(native, taken)) {
        return unexpected(failed);
    }
    return detached_socket(taken);
}

result<socket> detached_socket::attach(loop& on) && noexcept {
    if (!is_open()) {
        return unexpected(errc::closed);
    }
    std::error_code failed;
    detail::socket_state* state = on.core()->adopt(std::exchange(owned_, {}), failed);
    if (state == nullptr) {
        return unexpected(failed);
    }
    return socket(state);
}

result<endpoint> detached_socket::local() const noexcept {
    endpoint name = owned_.local;
    if (!is_open()) {
        return unexpected(errc::closed);
    }
    if (!name) {
        if (const std::error_code failed = owned_.methods->local(owned_.native, name)) {
            return unexpected(failed);
        }
    }
    return name;
}

result<endpoint> detached_socket::peer() const noexcept {
    endpoint name = owned_.peer;
    if (!is_open()) {
        return unexpected(errc::closed);
    }
    if (!name) {
        if (const std::error_code failed = owned_.methods->peer(owned_.native, name)) {
            return unexpected(failed);
        }
    }
    return name;
}

void detached_socket::close() noexcept {
    if (is_open()) {
        const detail::loose_socket loose = std::exchange(owned_, {});
        loose.methods->close(loose.native);
    }
}

}  // namespace thole::tcp
