// SPDX-License-Identifier: BSL-1.0
/// \file
/// Values in one block of memory.
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include <thole/export.hpp>

namespace thole {

namespace detail {
/// Null where there is no memory. One pair for the library and its users, whatever operator new
/// each of them has.
[[nodiscard]] THOLE_API void* allocate_block(std::size_t size) noexcept;
THOLE_API void release_block(void* block) noexcept;
}  // namespace detail

/// Values whose number is bounded once, by reserve(): never throws, allocates once, move-only. What
/// the library gives where there may be several of something. A std::span<const T> can be made of
/// it, which is valid as long as the list is.
template <class T>
class fixed_list {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

public:
    using value_type = T;
    using const_iterator = const T*;

    fixed_list() noexcept = default;
    fixed_list(fixed_list&& other) noexcept
        : items_(std::exchange(other.items_, nullptr)), size_(std::exchange(other.size_, 0)),
          bound_(std::exchange(other.bound_, 0)) {}
    fixed_list& operator=(fixed_list&& other) noexcept {
        if (this != &other) {
            detail::release_block(items_);
            items_ = std::exchange(other.items_, nullptr);
            size_ = std::exchange(other.size_, 0);
            bound_ = std::exchange(other.bound_, 0);
        }
        return *this;
    }
    ~fixed_list() {
        if (items_ != nullptr) {
            detail::release_block(items_);
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] T* data() noexcept { return items_; }
    [[nodiscard]] T* begin() noexcept { return items_; }
    [[nodiscard]] T* end() noexcept { return items_ + size_; }
    [[nodiscard]] T& operator[](std::size_t i) noexcept { return items_[i]; }
    [[nodiscard]] const T* data() const noexcept { return items_; }
    [[nodiscard]] const T* begin() const noexcept { return items_; }
    [[nodiscard]] const T* end() const noexcept { return items_ + size_; }
    [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return items_[i]; }
    [[nodiscard]] const T& front() const noexcept { return items_[0]; }
    [[nodiscard]] const T& back() const noexcept { return items_[size_ - 1]; }

    /// Empties it and makes room for `bound` values; false: there is no memory.
    [[nodiscard]] bool reserve(std::size_t bound) noexcept {
        *this = fixed_list();
        if (bound > static_cast<std::size_t>(-1) / sizeof(T)) {
            return false;
        }
        items_ = static_cast<T*>(detail::allocate_block(bound * sizeof(T)));
        bound_ = items_ != nullptr ? bound : 0;
        return items_ != nullptr;
    }
    /// False: it is full.
    bool push_back(const T& value) noexcept {
        if (size_ == bound_) {
            return false;
        }
        ::new (static_cast<void*>(items_ + size_)) T(value);
        ++size_;
        return true;
    }
    void clear() noexcept { size_ = 0; }

private:
    T* items_ = nullptr;
    std::size_t size_ = 0;
    std::size_t bound_ = 0;
};

}  // namespace thole
