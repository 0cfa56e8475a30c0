// SPDX-License-Identifier: BSL-1.0
#include <cstdlib>

#include "posix/uring.hpp"

namespace thole::detail {

slot_table::~slot_table() { std::free(entries_); }

bool slot_table::grow() noexcept {
    const std::uint32_t size = size_ + size_ / 2 + 16;
    auto* grown = static_cast<entry*>(std::realloc(entries_, size * sizeof(entry)));
    if (grown == nullptr) {
        return false;
    }
    for (std::uint32_t i = size; i-- > size_;) {
        grown[i] = {nullptr, free_, 0, 0, 0};
        free_ = i;
    }
    entries_ = grown;
    size_ = size;
    return true;
}

bool slot_table::put(uring_state& state) noexcept {
    if (free_ == none && !grow()) {
        return false;
    }
    state.slot = free_;
    entry& place = entries_[free_];
    free_ = place.next;
    place.state = &state;
    place.next = none;
    place.since = 0;
    return true;
}

void slot_table::remove(std::uint32_t slot) noexcept {
    entries_[slot].state = nullptr;
    entries_[slot].next = free_;
    free_ = slot;
}

}  // namespace thole::detail
