// SPDX-License-Identifier: BSL-1.0
// A machine may forbid io_uring: by a sysctl, by a filter of system calls, by its age.
#pragma once

#include <string>
#include <string_view>

namespace thole::test {

// The reason of a loop of the run's backend, if that is io_uring and cannot be had here; else "".
// It is found once: the backend is that of the first call.
[[nodiscard]] std::string what_forbids_io_uring(std::string_view backend);

}  // namespace thole::test
