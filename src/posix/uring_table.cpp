// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
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
        grown[i] = {nullptr, free_, {0}};
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
    const std::uint32_t slot = free_;
    entry& place = entries_[slot];
    for (const token_kind kind : {token_kind::reading, token_kind::writing}) {
        const auto which = static_cast<std::uint32_t>(kind);
        state.last[which] = token{place.number + which, slot}.word();
    }
    free_ = place.next;
    place = {&state, none, {0}};
    return true;
}

void slot_table::remove(std::uint32_t slot) noexcept {
    entry& place = entries_[slot];
    const std::uint64_t last = std::max(place.state->last[0], place.state->last[1]);
    place = {nullptr, free_, {token::of(last).number / token::kinds * token::kinds}};
    free_ = slot;
}

}  // namespace thole::detail
