// SPDX-License-Identifier: BSL-1.0
// Recycled memory for coroutine frames and posted functions: a pool a thread, by classes of size.
#include <array>
#include <cstddef>
#include <new>

#include <thole/task.hpp>

#include "core/loop_core.hpp"

namespace thole::detail {

namespace {

// Under AddressSanitizer nothing is recycled, so that it sees every use after the end.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool recycle = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool recycle = false;
#else
constexpr bool recycle = true;
#endif
#else
constexpr bool recycle = true;
#endif

constexpr std::size_t unit = 64;
constexpr std::size_t classes = 32;            // up to 2 KiB
constexpr std::size_t kept = 64 * 1024 / unit;  // blocks of one class

struct free_block {
    free_block* next;
};

struct size_class {
    free_block* first = nullptr;
    std::size_t count = 0;
};

struct frame_pool {
    std::array<size_class, classes> by_size{};
    bool open = false;
};

// Without a destructor: mingw's runtime frees a thread's variables before it calls those.
constinit thread_local frame_pool pool;

constexpr std::size_t class_of(std::size_t size) noexcept {
    return (size - 1) / unit;
}

}  // namespace

void* allocate_frame(std::size_t size) {
    const std::size_t index = class_of(size);
    if (!recycle || index >= classes) {
        return ::operator new(size);
    }
    size_class& list = pool.by_size[index];
    if (list.first == nullptr) {
        return ::operator new((index + 1) * unit);
    }
    free_block* block = list.first;
    list.first = block->next;
    --list.count;
    return block;
}

void release_frame(void* frame, std::size_t size) noexcept {
    const std::size_t index = class_of(size);
    if (!recycle || index >= classes || !pool.open || pool.by_size[index].count >= kept) {
        ::operator delete(frame);
        return;
    }
    size_class& list = pool.by_size[index];
    list.first = ::new (frame) free_block{list.first};
    ++list.count;
}

void keep_frames(bool on) noexcept {
    pool.open = on;
}

void drop_frames() noexcept {
    for (size_class& list : pool.by_size) {
        while (list.first != nullptr) {
            free_block* block = list.first;
            list.first = block->next;
            ::operator delete(block);
        }
        list.count = 0;
    }
}

}  // namespace thole::detail
