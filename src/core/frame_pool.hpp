// SPDX-License-Identifier: BSL-1.0
// Recycled memory for coroutine frames and posted functions, by classes of size. Each loop has one;
// it serves the thread while the loop runs there (frames.cpp).
#pragma once

#include <array>
#include <cstddef>
#include <new>

namespace thole::detail {

class frame_pool {
public:
    frame_pool() noexcept = default;
    frame_pool(const frame_pool&) = delete;
    frame_pool& operator=(const frame_pool&) = delete;
    ~frame_pool();

    // Every block has the full size of its class, wherever it was allocated: any pool may keep it.
    [[nodiscard]] static constexpr std::size_t full_size(std::size_t size) noexcept {
        return (class_of(size) + 1) * unit - beside;
    }
    // A block for this size, or null.
    [[nodiscard]] void* take(std::size_t size) noexcept {
        const std::size_t index = class_of(size);
        if (index >= classes || by_size_[index].first == nullptr) [[unlikely]] {
            return nullptr;
        }
        size_class& list = by_size_[index];
        free_block* block = list.first;
        list.first = block->next;
        --list.count;
        return block;
    }
    // False: it is not kept.
    [[nodiscard]] bool keep(void* block, std::size_t size) noexcept {
        const std::size_t index = class_of(size);
        if (index >= classes || by_size_[index].count >= kept) [[unlikely]] {
            return false;
        }
        size_class& list = by_size_[index];
        list.first = ::new (block) free_block{list.first};
        ++list.count;
        return true;
    }

private:
    struct free_block {
        free_block* next;
    };
    struct size_class {
        free_block* first = nullptr;
        std::size_t count = 0;
    };
    static constexpr std::size_t unit = 32;
    // What allocators keep beside a block: with it a block fills whole units.
    static constexpr std::size_t beside = sizeof(std::size_t);
    static constexpr std::size_t classes = 64;  // up to 2 KiB
    static constexpr std::size_t kept = 1024;   // blocks of one class

    [[nodiscard]] static constexpr std::size_t class_of(std::size_t size) noexcept {
        return (size + beside - 1) / unit;
    }

    std::array<size_class, classes> by_size_{};
};

}  // namespace thole::detail
