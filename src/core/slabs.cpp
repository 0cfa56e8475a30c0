// SPDX-License-Identifier: BSL-1.0
#include "core/slabs.hpp"

#include <new>
#include <utility>

namespace thole::detail {

namespace {

constinit thread_local unsigned posts_of_this_thread = 0;

// Pieces begin behind it, on a line of their own.
constexpr std::size_t first_piece_at = 64;
static_assert(sizeof(slab) <= first_piece_at);

}  // namespace

slabs::~slabs() {
    end_those(nullptr);
    for (const place& at : places_) {
        ::operator delete(at.open);
    }
    ::operator delete(own_.open);
    while (slab* spare = take_spare()) {
        ::operator delete(spare);
    }
}

slabs::piece slabs::take(std::size_t size, thread_mark self) noexcept {
    for (std::size_t i = 0; i < places; ++i) {
        if (owners_[i].load(std::memory_order_relaxed) == self) {
            return cut(places_[i], size);
        }
    }
    place* found = size <= greatest ? find_place(self) : nullptr;
    return found != nullptr ? cut(*found, size) : piece{};
}

// Threads that live for a few posts take no place.
slabs::place* slabs::find_place(thread_mark self) noexcept {
    if (posts_of_this_thread < posts_without_place) {
        ++posts_of_this_thread;
        return nullptr;
    }
    for (std::size_t i = 0; i < places; ++i) {
        thread_mark nobody = nullptr;
        if (owners_[i].compare_exchange_strong(nobody, self, std::memory_order_relaxed)) {
            return &places_[i];
        }
    }
    return nullptr;
}

slabs::piece slabs::cut_from_another(place& at, std::size_t size) noexcept {
    if (size > greatest) {
        return {};
    }
    if (slab* full = std::exchange(at.open, nullptr)) {
        end(*full, slab::open - at.taken.load(std::memory_order_relaxed));
    }
    at.room = 0;
    at.taken.store(0, std::memory_order_relaxed);
    void* memory = take_spare();
    if (memory == nullptr) {
        memory = ::operator new(slab::size, std::nothrow);
        if (memory == nullptr) {
            return {};
        }
    }
    at.open = ::new (memory) slab{this, slab::open};
    at.next = static_cast<std::byte*>(memory) + first_piece_at;
    at.room = slab::size - first_piece_at;
    return cut(at, size);
}

// One after the other mostly come from the same slab: it is told of many at once.
void slabs::end_those(slab* next) noexcept {
    if (slab* from = std::exchange(ending_, next)) {
        end(*from, ended_);
    }
    ended_ = 0;
}

void slabs::end(slab& from, std::int64_t pieces) noexcept {
    if (from.left.fetch_sub(pieces, std::memory_order_acq_rel) == pieces) {
        keep(&from);
    }
}

void slabs::keep(slab* empty) noexcept {
    for (std::atomic<slab*>& spare : spares_) {
        slab* none = nullptr;
        if (spare.load(std::memory_order_relaxed) == nullptr &&
            spare.compare_exchange_strong(none, empty, std::memory_order_release,
                                          std::memory_order_relaxed)) {
            return;
        }
    }
    ::operator delete(empty);
}

slab* slabs::take_spare() noexcept {
    for (std::atomic<slab*>& spare : spares_) {
        if (spare.load(std::memory_order_relaxed) != nullptr) {
            if (slab* taken = spare.exchange(nullptr, std::memory_order_acquire)) {
                return taken;
            }
        }
    }
    return nullptr;
}

}  // namespace thole::detail
