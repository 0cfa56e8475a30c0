// SPDX-License-Identifier: BSL-1.0
// Which backends there are.
#include "core/backends.hpp"

#include "win/handle.hpp"

namespace thole::detail {

backend_choice platform_backend(backend_kind kind, loop_core& core) {
    if (kind == backend_kind::sim) {
        return simulated_backend(core);
    }
    if (kind != backend_kind::iocp && kind != backend_kind::automatic) {
        return {nullptr, system_error(WSAEOPNOTSUPP),
                std::string(to_string(kind)) + " is not part of Windows builds"};
    }
    return make_basic_backend(core);
}

}  // namespace thole::detail
