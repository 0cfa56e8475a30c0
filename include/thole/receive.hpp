// SPDX-License-Identifier: BSL-1.0
/// \file
/// Bytes in a buffer that the loop lends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <thole/deadline.hpp>
#include <thole/operation.hpp>
#include <thole/result.hpp>

namespace thole {

namespace detail {

class buffer_pool;

/// What a lent buffer does at its end.
THOLE_API void give_back(buffer_pool& lender, std::byte* bytes, std::uint32_t number) noexcept;

}  // namespace detail

namespace tcp {

class socket;

/// Received bytes, in a buffer of the loop's. Who holds this owns them: they may be changed in
/// place, and written out from there. The destructor gives the buffer back. Move-only.
///
///     while (auto lent = co_await peer.receive(within(30s)))
///         if (!co_await peer.write(lent->bytes(), within(30s))) co_return;
///
/// It may outlive its socket, and its loop: the memory lives until the last buffer of that loop has
/// come back. It is given back on the loop's thread, after the loop's end too: there is no lock and
/// no atomic in it (a debug build stops at a buffer that comes back on another thread while the
/// loop lives). What another thread is to have is copied, or the buffer posted back.
class lent_buffer {
public:
    /// Holds nothing.
    lent_buffer() noexcept = default;
    lent_buffer(lent_buffer&& other) noexcept
        : lender_(other.lender_), bytes_(std::exchange(other.bytes_, nullptr)),
          shape_(other.shape_) {}
    lent_buffer& operator=(lent_buffer&& other) noexcept {
        std::byte* const bytes = std::exchange(other.bytes_, nullptr);  // first: it may be this one
        give_back();
        lender_ = other.lender_;
        bytes_ = bytes;
        shape_ = other.shape_;
        return *this;
    }
    ~lent_buffer() { give_back(); }

    /// What was received; nothing once it was given back.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {bytes_, size()}; }
    /// How many bytes: at least one from receive(), at most loop_options::lent_buffer_size.
    [[nodiscard]] std::size_t size() const noexcept { return bytes_ != nullptr ? shape_.size : 0; }
    /// Whether it holds nothing.
    [[nodiscard]] bool empty() const noexcept { return bytes_ == nullptr; }
    /// Gives the buffer back before the end of this object. Again: nothing.
    void give_back() noexcept {
        if (bytes_ != nullptr) {
            detail::give_back(*lender_, std::exchange(bytes_, nullptr), shape_.number);
        }
    }

    /// For the library itself.
    lent_buffer(detail::buffer_pool& lender, std::byte* bytes, std::size_t size,
                std::uint32_t number) noexcept
        : lender_(&lender), bytes_(bytes), shape_{static_cast<std::uint32_t>(size), number} {}

private:
    struct shape {
        std::uint32_t size = 0;
        std::uint32_t number = 0;  // among the lender's
    };

    detail::buffer_pool* lender_ = nullptr;
    std::byte* bytes_ = nullptr;
    shape shape_;
};

/// The operation behind socket::receive(). While it is pending it holds no buffer.
class receive_op : public operation {
public:
    using result_type = result<lent_buffer>;
    receive_op() noexcept = default;
    receive_op(socket& on, deadline until) noexcept { prepare(on, until); }
    ~receive_op() { give_back(); }
    void prepare(socket& on, deadline until = {}) noexcept;
    [[nodiscard]] result<lent_buffer> take() noexcept {
        if (error != 0) {
            return unexpected(failure());
        }
        return result<lent_buffer>(std::in_place, *held.lender,
                                   static_cast<std::byte*>(std::exchange(buffer, nullptr)), count,
                                   held.number);
    }

    /// For the library itself: whose buffer it has, while it has one.
    struct loan {
        detail::buffer_pool* lender;  ///< whose
        std::uint32_t number;         ///< which of the lender's
    };
    /// For the library itself: the line of those that wait for a buffer, while it stands there.
    struct place_in_line {
        receive_op* after;   ///< who came after it
        receive_op* before;  ///< who came before it
    };
    /// For the library itself: what was received, in that lender's buffer of that number.
    void fill(detail::buffer_pool& from, std::byte* bytes, std::uint32_t number,
              std::size_t size) noexcept {
        held = {&from, number};
        buffer = bytes;
        count = size;
    }
    /// For the library itself: gives the buffer back, if it has one.
    void give_back() noexcept {
        if (buffer != nullptr) {
            detail::give_back(*held.lender, static_cast<std::byte*>(std::exchange(buffer, nullptr)),
                              held.number);
        }
    }

    union {
        loan held;           ///< while `buffer` is not null
        place_in_line line;  ///< while `starved`
    };
};

}  // namespace tcp
}  // namespace thole
