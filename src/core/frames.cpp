// SPDX-License-Identifier: BSL-1.0
#include <cstdint>
#include <new>

#include <thole/loop.hpp>
#include <thole/task.hpp>

#include "core/frame_pool.hpp"
#include "core/loop_core.hpp"

namespace thole {

namespace detail {

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

// What the home of posted memory tells: the pool of a loop, or a slab.
constexpr std::uintptr_t in_slab = 1;
constexpr std::uintptr_t from_outside = 2;

frame_pool& pool_of(posted_memory memory) noexcept {
    return *reinterpret_cast<frame_pool*>(memory.home & ~(in_slab | from_outside));
}
slab& slab_of(posted_memory memory) noexcept {
    return *reinterpret_cast<slab*>(memory.home & ~(in_slab | from_outside));
}
void keep(frame_pool& pool, void* block, std::size_t size) noexcept {
    if (!recycle || !pool.keep(block, size)) [[unlikely]] {
        ::operator delete(block);
    }
}

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

void* allocate_frame(std::size_t size) {
    if (loop_core* core = current_loop(); recycle && core != nullptr) {
        if (void* block = core->frames.take(size)) {
            return block;
        }
    }
    return ::operator new(frame_pool::full_size(size));
}

void release_frame(void* frame, std::size_t size) noexcept {
    if (loop_core* core = current_loop()) {
        keep(core->frames, frame, size);
    } else {
        ::operator delete(frame);
    }
}

posted_memory loop_core::take_elsewhere(std::size_t size, std::uintptr_t marks) {
    void* block = recycle && (marks & from_outside) == 0 ? frames.take(size) : nullptr;
    return {block != nullptr ? block : ::operator new(frame_pool::full_size(size)),
            reinterpret_cast<std::uintptr_t>(&frames) | marks};
}

inline posted_memory loop_core::take_posted(const slabs::piece& piece, std::size_t size,
                                            std::uintptr_t marks) {
    if (piece.memory == nullptr) [[unlikely]] {
        return take_elsewhere(size, marks);
    }
    return {piece.memory, reinterpret_cast<std::uintptr_t>(piece.from) | marks | in_slab};
}

inline posted_memory loop_core::take_own(std::size_t size) {
    return take_posted(recycle ? posted.take(size) : slabs::piece{}, size, 0);
}

posted_memory loop_core::take_outside(std::size_t size, thread_mark self) {
    return take_posted(recycle ? posted.take(size, self) : slabs::piece{}, size, from_outside);
}

void loop_core::enqueue_posted(runnable& item, std::uintptr_t home) noexcept {
    if ((home & from_outside) == 0) {
        ready.push(item);
    } else {
        enqueue_outside(item);
    }
}

// Where it was taken: on the loop's thread, or on another one.
void return_unposted(posted_memory memory, std::size_t size) noexcept {
    if ((memory.home & in_slab) != 0) {
        slab_of(memory).of->given_back(slab_of(memory));
    } else if ((memory.home & from_outside) != 0) {
        ::operator delete(memory.at);
    } else {
        keep(pool_of(memory), memory.at, size);
    }
}

void release_posted(posted_memory memory, std::size_t size) noexcept {
    if ((memory.home & in_slab) != 0) [[likely]] {
        slab_of(memory).of->ended(slab_of(memory));
    } else {
        keep(pool_of(memory), memory.at, size);
    }
}

}  // namespace detail

detail::posted_memory loop::take_memory(std::size_t size) {
    const detail::thread_mark self = detail::this_thread();
    return core_->runs_on(self) ? core_->take_own(size) : core_->take_outside(size, self);
}

void loop::enqueue(detail::runnable& node, std::uintptr_t home) noexcept {
    core_->enqueue_posted(node, home);
}

}  // namespace thole
