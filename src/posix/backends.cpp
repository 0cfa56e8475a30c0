// SPDX-License-Identifier: BSL-1.0
// Which backends there are. A file of its own: who does not ask for one by name does not link them.
#include "core/backends.hpp"

#include "posix/handle.hpp"
#include "posix/reactor.hpp"
#if defined(THOLE_HAVE_LIBURING)
#include "posix/uring.hpp"
#endif

namespace thole::detail {

backend_choice platform_backend(backend_kind kind, loop_core& core) {
    switch (kind) {
    case backend_kind::automatic:
        return platform_backend(default_backend(), core);
    case backend_kind::epoll:
#if defined(THOLE_HAVE_EPOLL)
        return epoll_backend(core);
#else
        return {nullptr, system_error(EOPNOTSUPP), "epoll exists on Linux only"};
#endif
    case backend_kind::select:
        return select_backend(core);
    case backend_kind::io_uring:
#if defined(THOLE_HAVE_LIBURING)
        return uring_backend(core);
#else
        return {nullptr, system_error(EOPNOTSUPP), "io_uring is not part of this build"};
#endif
    case backend_kind::iocp:
        return {nullptr, system_error(EOPNOTSUPP), "IOCP exists on Windows only"};
    case backend_kind::sim:
        watch_forks();  // R78: the others do when they open what wakes them
        return simulated_backend(core);
    }
    return {nullptr, system_error(EINVAL), "no backend of this platform"};
}

}  // namespace thole::detail
