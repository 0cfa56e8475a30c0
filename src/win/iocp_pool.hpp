// SPDX-License-Identifier: BSL-1.0
// How many accepts a listener keeps ready: between a floor and a ceiling, after the traffic (R38).
#pragma once

#include <algorithm>
#include <cstddef>

namespace thole::detail {

class accept_pool {
public:
    accept_pool() noexcept = default;
    accept_pool(std::size_t floor, std::size_t ceiling) noexcept
        : floor_(floor), ceiling_(ceiling), size_(floor) {}

    // Of those that stand ready and those that wait to be claimed, together.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t ceiling() const noexcept { return ceiling_; }

    // A batch of arrivals is over; `left` still stand ready. `claimed`: somebody had waited for one
    // of them. It grows where clients came faster than they were asked for, never where nobody
    // takes them. Where most stood idle it gets smaller by one, which is not posted again.
    void after_batch(std::size_t left, bool claimed) noexcept {
        if (left == 0 && claimed) {
            size_ = std::min(ceiling_, size_ * 2);
        } else if (left * 2 >= size_ && size_ > floor_) {
            --size_;
        }
    }

private:
    std::size_t floor_ = 0;
    std::size_t ceiling_ = 0;
    std::size_t size_ = 0;
};

}  // namespace thole::detail
