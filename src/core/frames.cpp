// SPDX-License-Identifier: BSL-1.0
#include <new>

#include <thole/task.hpp>

#include "core/frame_pool.hpp"
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

constexpr std::size_t class_of(std::size_t size) noexcept { return (size - 1) / unit; }

}  // namespace

frame_pool::~frame_pool() {
    for (size_class& list : by_size_) {
        while (list.first != nullptr) {
            free_block* block = list.first;
            list.first = block->next;
            ::operator delete(block);
        }
    }
}

void* frame_pool::take(std::size_t size) noexcept {
    const std::size_t index = class_of(size);
    if (index >= classes || by_size_[index].first == nullptr) {
        return nullptr;
    }
    size_class& list = by_size_[index];
    free_block* block = list.first;
    list.first = block->next;
    --list.count;
    return block;
}

bool frame_pool::keep(void* block, std::size_t size) noexcept {
    const std::size_t index = class_of(size);
    if (index >= classes || by_size_[index].count >= kept) {
        return false;
    }
    size_class& list = by_size_[index];
    list.first = ::new (block) free_block{list.first};
    ++list.count;
    return true;
}

// Every block has the full size of its class, wherever it was allocated: any loop may keep it.
void* allocate_frame(std::size_t size) {
    if (loop_core* core = current_loop(); recycle && core != nullptr) {
        if (void* block = core->frames.take(size)) {
            return block;
        }
    }
    return ::operator new((class_of(size) + 1) * unit);
}

void release_frame(void* frame, std::size_t size) noexcept {
    loop_core* core = current_loop();
    if (!recycle || core == nullptr || !core->frames.keep(frame, size)) {
        ::operator delete(frame);
    }
}

}  // namespace thole::detail
