// SPDX-License-Identifier: BSL-1.0
// How the loop gets a backend.
#pragma once

#include <memory>
#include <string>
#include <system_error>

#include <thole/loop.hpp>

#include "core/backend.hpp"

namespace thole::detail {

// What came of asking for a kind: the backend, or why not.
struct backend_choice {
    std::unique_ptr<backend> made;
    std::error_code error;
    std::string reason;  // why it cannot be had: "select is not part of Windows builds"
};

// "WHAT: the system's words" (src/core/loop.cpp).
[[nodiscard]] backend_choice refused(const char* what, int raw);

using backend_maker = backend_choice (*)(backend_kind kind, loop_core& core);

// The simulated network, on every platform (src/sim).
[[nodiscard]] backend_choice simulated_backend(loop_core& core);
// What the platform has (src/posix/backends.cpp, src/win/backends.cpp), that one among it: a kind
// that it does not know, or that the machine refuses, is an error with its reason. Whoever names
// this function links every backend; loop(loop_options) does (src/core/loop_with_options.cpp), and
// nothing else may.
[[nodiscard]] backend_choice platform_backend(backend_kind kind, loop_core& core);
// The same function where the program is linked with it: set as soon as that is loaded; else null
// (docs/decisions/0019).
extern backend_maker linked_backends;
// The kind taken when nobody wishes another.
[[nodiscard]] backend_kind default_backend() noexcept;
// The one that every program has, and that is taken where the default cannot be had
// (src/posix/native_backend.cpp, src/win/iocp.cpp).
[[nodiscard]] backend_kind basic_backend() noexcept;
[[nodiscard]] backend_choice make_basic_backend(loop_core& core);

// A connected stream socket of the system as a loose one (platform rooms: handle.cpp). On failure
// it is as it was.
[[nodiscard]] std::error_code adopt_native(std::uintptr_t native, loose_socket& taken) noexcept;

// The wish in the environment (THOLE_BACKEND), or automatic (platform rooms: handle.cpp).
[[nodiscard]] std::string environment_variable(const char* name);

}  // namespace thole::detail
