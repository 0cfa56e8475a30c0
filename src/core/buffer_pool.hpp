// SPDX-License-Identifier: BSL-1.0
// The buffers that a loop lends: those of socket::receive().
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include <thole/receive.hpp>

#include "core/attributes.hpp"

namespace thole::detail {

// All are of one size and have a number. They lie in slabs, contiguous and aligned to their own
// size, which is at least a page's; a slab is taken from the system when it is first needed, and a
// page of it is touched when its buffer is first filled. A free buffer keeps the list in its own
// first bytes, and the last that came back, still warm, is the next to go.
//
// A buffer is in one hand at a time:
//   the pool's     at first, and after give_back() and take_back();
//   a user's       from take() or lend() until give_back(): a receive's that has finished, then the
//                  lent_buffer's;
//   the kernel's   from entrust() until lend() or take_back(). Where the kernel chooses a buffer
//                  for each receive, that backend entrusts free ones to it before it waits. It
//                  needs no word when one comes back, unless a receive is starved: then the loop
//                  submits that one anew.
//
// A receive is starved when there is something for it and no buffer. It stays in its socket's
// queue, stands in the pool's line too, and nothing of it is in the kernel: the core ends it by
// itself (cancel, deadline, close), and submits the first of the line when a buffer has come back.
class buffer_pool {
public:
    static constexpr std::size_t smallest = 64;
    static constexpr std::size_t slab_size = std::size_t{64} << 10;  // no page here is larger
    static constexpr std::size_t most_buffers = 32768;               // a kernel's ring takes more
                                                                     // in no case

    struct place {
        std::byte* bytes;  // null: there is none
        std::uint32_t number;
    };

    [[nodiscard]] static constexpr bool takes_size(std::size_t size) noexcept {
        return (size & (size - 1)) == 0 && size >= smallest && size <= slab_size;
    }
    [[nodiscard]] static constexpr bool takes_count(std::size_t count) noexcept {
        return count >= 1 && count <= most_buffers;
    }

    // Of a loop; takes no memory yet. `core` may be null: then nobody is served.
    buffer_pool(loop_core* core, std::size_t size, std::size_t count) noexcept;
    buffer_pool(const buffer_pool&) = delete;
    buffer_pool& operator=(const buffer_pool&) = delete;

    // The loop's end: the pool goes when the last buffer has come back. What the kernel had is
    // forgotten.
    void let_go() noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    // In users' hands now.
    [[nodiscard]] std::size_t lent() const noexcept { return lent_; }
    [[nodiscard]] std::size_t slabs() const noexcept {
        return (made_ + per_slab() - 1) / per_slab();
    }
    [[nodiscard]] std::byte* at(std::uint32_t number) const noexcept {
        return slabs_[number >> slab_shift()] +
               (static_cast<std::size_t>(number & (per_slab() - 1)) << size_shift_);
    }

    [[nodiscard]] place take() noexcept {
        const place got = pop();
        lent_ += got.bytes != nullptr ? 1 : 0;
        return got;
    }
    void give_back(std::byte* bytes, std::uint32_t number) noexcept {
        assert(is_right_thread());
        push(bytes, number);
        --lent_;
        if (attentive_) [[unlikely]] {
            came_back();
        }
    }

    // Gives it a whole buffer to receive into, as take() does. False: there is none.
    [[nodiscard]] bool take(tcp::receive_op& op) noexcept {
        const place got = take();
        if (got.bytes == nullptr) {
            return false;
        }
        assert(!op.starved);
        op.buffer = got.bytes;
        op.length = size_;
        op.held = {this, got.number};
        return true;
    }

    // ---- For a kernel that chooses.
    [[nodiscard]] place entrust() noexcept { return pop(); }
    [[nodiscard]] std::byte* lend(std::uint32_t number) noexcept {
        ++lent_;
        return at(number);
    }
    void take_back(std::uint32_t number) noexcept { push(at(number), number); }

    // ---- The line.
    // True: it stands in the line, at its end unless it did already. False: no buffer will ever
    // come back, because there was no memory for one; it is settled.
    [[nodiscard]] bool starve(tcp::receive_op& op) noexcept;
    void leave_line(operation& op) noexcept;
    // The first of the line, which has left it, if there is a buffer for it; or null.
    [[nodiscard]] operation* next_starved() noexcept;

private:
    struct node {
        node* next;
        std::uint32_t number;
    };
    static_assert(sizeof(node) <= smallest);

    ~buffer_pool();

    [[nodiscard]] unsigned slab_shift() const noexcept {
        return static_cast<unsigned>(std::countr_zero(slab_size)) - size_shift_;
    }
    [[nodiscard]] std::size_t per_slab() const noexcept { return std::size_t{1} << slab_shift(); }

    [[nodiscard]] place pop() noexcept {
        node* first = free_;
        if (first == nullptr) [[unlikely]] {
            return make();
        }
        free_ = first->next;
        return {reinterpret_cast<std::byte*>(first), first->number};
    }
    void push(std::byte* bytes, std::uint32_t number) noexcept {
        free_ = ::new (static_cast<void*>(bytes)) node{free_, number};
    }
    THOLE_APART place make() noexcept;
    THOLE_APART void came_back() noexcept;
    [[nodiscard]] bool is_right_thread() const noexcept;

    node* free_ = nullptr;
    std::size_t lent_ = 0;
    bool attentive_ = false;  // somebody is starved, or the loop is gone
    bool serving_ = false;
    const std::uint32_t size_;
    const std::uint32_t count_;
    const std::uint8_t size_shift_;
    std::uint32_t made_ = 0;  // the numbers below were used
    loop_core* core_;
    std::unique_ptr<std::byte*[]> slabs_;
    tcp::receive_op* first_starved_ = nullptr;
    tcp::receive_op* last_starved_ = nullptr;
};

struct let_go {
    void operator()(buffer_pool* pool) const noexcept { pool->let_go(); }
};

}  // namespace thole::detail
