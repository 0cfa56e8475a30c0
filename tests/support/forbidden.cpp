// SPDX-License-Identifier: BSL-1.0
#include "support/forbidden.hpp"

#include <thole/loop.hpp>

namespace thole::test {

std::string what_forbids_io_uring(std::string_view backend) {
    static const std::string why = [&] {
        if (backend != to_string(backend_kind::io_uring)) {
            return std::string();
        }
        const loop on({.backend = backend_kind::io_uring});
        return on.error() ? on.backend().reason : std::string();
    }();
    return why;
}

}  // namespace thole::test
