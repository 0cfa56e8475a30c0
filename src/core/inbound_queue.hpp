// SPDX-License-Identifier: BSL-1.0
// What a kernel delivered before anybody asked: accepted connections, up to a bound.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include <thole/tcp.hpp>

namespace thole::detail {

class inbound_queue {
public:
    inbound_queue() noexcept = default;
    inbound_queue(const inbound_queue&) = delete;
    inbound_queue& operator=(const inbound_queue&) = delete;
    ~inbound_queue() { delete[] parked_; }

    // Room for `bound` connections; false: no memory.
    [[nodiscard]] bool reserve(std::size_t bound) noexcept {
        parked_ = new (std::nothrow) loose_socket[bound];
        bound_ = parked_ != nullptr ? bound : 0;
        return parked_ != nullptr;
    }

    // Room for more than before; false: no memory.
    [[nodiscard]] bool grow() noexcept {
        const std::size_t bound = bound_ * 2;
        auto* grown = new (std::nothrow) loose_socket[bound];
        if (grown == nullptr) {
            return false;
        }
        for (std::size_t i = 0; i < size_; ++i) {
            grown[i] = parked_[(first_ + i) % bound_];
        }
        delete[] std::exchange(parked_, grown);
        first_ = 0;
        bound_ = bound;
        return true;
    }

    [[nodiscard]] std::size_t bound() const noexcept { return bound_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool full() const noexcept { return size_ == bound_; }

    void park(const loose_socket& arrived) noexcept {
        parked_[(first_ + size_) % bound_] = arrived;
        ++size_;
    }

    [[nodiscard]] loose_socket take() noexcept {
        const loose_socket oldest = std::exchange(parked_[first_], {});
        first_ = (first_ + 1) % bound_;
        --size_;
        return oldest;
    }

private:
    loose_socket* parked_ = nullptr;
    std::size_t bound_ = 0;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace thole::detail
