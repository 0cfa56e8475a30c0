// SPDX-License-Identifier: BSL-1.0
// Memory for what is posted to a loop. Memory that one thread allocates and another frees, piece by
// piece, is the dearest part of a post: here it goes back in slabs.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/attributes.hpp"

namespace thole::detail {

class slabs;

// Pieces are cut from it one after the other by one thread, and end on the loop's; when all have
// ended, and no more will be cut, it is used again as a whole.
struct slab {
    static constexpr std::size_t size = 16 * 1024;
    static constexpr std::int64_t open = std::int64_t{1} << 40;  // more than it has pieces

    slabs* of;
    // Of an open one: `open` less those that have ended; of a closed one: those that have not.
    std::atomic<std::int64_t> left;
};

class slabs {
public:
    static constexpr std::size_t greatest = 512;  // bytes; for greater pieces no slab is opened

    slabs() noexcept = default;
    slabs(const slabs&) = delete;
    slabs& operator=(const slabs&) = delete;
    ~slabs();

    struct piece {
        void* memory;  // null: it has to come from elsewhere
        slab* from;
    };
    // Sizes are multiples of 16. On the loop's thread.
    [[nodiscard]] piece take(std::size_t size) noexcept { return cut(own_, size); }
    // On any other. Nothing for the first few posts of a thread, nor for a ninth thread.
    [[nodiscard]] piece take(std::size_t size, thread_mark self) noexcept;
    // A piece has ended, on the loop's thread.
    void ended(slab& from) noexcept {
        if (&from != ending_) {
            end_those(&from);
        }
        ++ended_;
    }
    // The same on the thread that took it.
    void given_back(slab& from) noexcept { end(from, 1); }

private:
    // Where one thread cuts pieces from a slab of its own.
    struct alignas(64) place {
        // Also orders what a thread that has ended did here before what a later one does that has
        // its mark.
        std::atomic<std::int64_t> taken{0};
        slab* open = nullptr;
        std::byte* next = nullptr;
        std::size_t room = 0;  // from there to the slab's end
    };
    static constexpr std::size_t places = 8;
    static constexpr std::size_t spares = 32;
    static constexpr unsigned posts_without_place = 64;

    piece cut(place& at, std::size_t size) noexcept {
        const std::int64_t taken = at.taken.load(std::memory_order_acquire);
        std::byte* memory = at.next;
        if (size > at.room) [[unlikely]] {
            return cut_from_another(at, size);
        }
        at.room -= size;
        at.next = memory + size;
        at.taken.store(taken + 1, std::memory_order_release);
        return {memory, at.open};
    }
    THOLE_APART piece cut_from_another(place& at, std::size_t size) noexcept;
    THOLE_APART place* find_place(thread_mark self) noexcept;
    THOLE_APART void end_those(slab* next) noexcept;
    void end(slab& from, std::int64_t pieces) noexcept;
    void keep(slab* empty) noexcept;
    [[nodiscard]] slab* take_spare() noexcept;

    alignas(64) std::array<std::atomic<thread_mark>, places> owners_{};
    std::array<place, places> places_{};
    place own_;
    std::array<std::atomic<slab*>, spares> spares_{};
    slab* ending_ = nullptr;  // pieces of this one have ended,
    std::int64_t ended_ = 0;  // so many, and it was not told
};

}  // namespace thole::detail
