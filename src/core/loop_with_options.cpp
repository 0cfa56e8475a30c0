// SPDX-License-Identifier: BSL-1.0
// A file of its own: a static library's members are linked by what is named, and a loop with
// options may ask for any backend.
#include <thole/loop.hpp>

#include "core/backends.hpp"
#include "core/loop_core.hpp"

namespace thole {

namespace detail {

namespace {
// While the program is loaded, before it has a loop.
[[maybe_unused]] const backend_maker here = linked_backends = &platform_backend;
}  // namespace

}  // namespace detail

loop::loop(loop_options options) noexcept
    : core_(new detail::loop_core(options, &detail::platform_backend)) {}

}  // namespace thole
