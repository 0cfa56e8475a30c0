// SPDX-License-Identifier: BSL-1.0
// How often this program has asked for memory.
#pragma once

#include <cstddef>

namespace thole::test {

// Calls of operator new so far, on all threads.
std::size_t allocations() noexcept;

}  // namespace thole::test
