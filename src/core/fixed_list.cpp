// SPDX-License-Identifier: BSL-1.0
#include <thole/fixed_list.hpp>

namespace thole::detail {

void* allocate_block(std::size_t size) noexcept { return ::operator new(size, std::nothrow); }

void release_block(void* block) noexcept { ::operator delete(block); }

}  // namespace thole::detail
