// SPDX-License-Identifier: BSL-1.0
// Recycled memory for coroutine frames and posted functions, by classes of size. Each loop has one;
// it serves the thread while the loop runs there (frames.cpp).
#pragma once

#include <array>
#include <cstddef>

namespace thole::detail {

class frame_pool {
public:
    frame_pool() noexcept = default;
    frame_pool(const frame_pool&) = delete;
    frame_pool& operator=(const frame_pool&) = delete;
    ~frame_pool();

    // A block of allocate_frame()'s for this size, or null.
    [[nodiscard]] void* take(std::size_t size) noexcept;
    // False: it is not kept.
    [[nodiscard]] bool keep(void* block, std::size_t size) noexcept;

private:
    struct free_block {
        free_block* next;
    };
    struct size_class {
        free_block* first = nullptr;
        std::size_t count = 0;
    };
    static constexpr std::size_t classes = 32;  // of 64 bytes: up to 2 KiB
    static constexpr std::size_t kept = 1024;   // blocks of one class

    std::array<size_class, classes> by_size_{};
};

}  // namespace thole::detail
