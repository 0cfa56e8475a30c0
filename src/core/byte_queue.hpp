// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace thole::detail {

// Bytes one after the other, in memory that is there while there are any.
class byte_queue {
public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::span<const std::byte> all() const noexcept { return {bytes_.get(), size_}; }

    // False: there is no memory, and nothing has changed.
    [[nodiscard]] bool append(std::span<const std::byte> more) noexcept {
        if (more.empty()) {
            return true;
        }
        if (more.size() > room_ - size_ && !grow(size_ + more.size())) {
            return false;
        }
        std::memcpy(bytes_.get() + size_, more.data(), more.size());
        size_ += more.size();
        return true;
    }
    void clear() noexcept {
        bytes_.reset();
        room_ = 0;
        size_ = 0;
    }
    void swap(byte_queue& other) noexcept {
        bytes_.swap(other.bytes_);
        std::swap(room_, other.room_);
        std::swap(size_, other.size_);
    }

private:
    [[nodiscard]] bool grow(std::size_t least) noexcept {
        constexpr std::size_t smallest = 256;
        std::size_t room = room_ < smallest ? smallest : 2 * room_;
        room = room < least ? least : room;
        std::unique_ptr<std::byte[]> larger(new (std::nothrow) std::byte[room]);
        if (larger == nullptr) {
            return false;
        }
        if (size_ != 0) {
            std::memcpy(larger.get(), bytes_.get(), size_);
        }
        bytes_ = std::move(larger);
        room_ = room;
        return true;
    }

    std::unique_ptr<std::byte[]> bytes_;
    std::size_t room_ = 0;
    std::size_t size_ = 0;
};

}  // namespace thole::detail
