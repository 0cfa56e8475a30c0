// SPDX-License-Identifier: BSL-1.0
// Lent reads: the kernel takes a buffer when there is something for it.
#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"
#include "posix/outcome.hpp"
#include "posix/uring.hpp"

namespace thole::detail {
namespace {

constexpr std::size_t page = 4096;  // what such a ring is aligned to, at the least
// More are not in the kernel's hand at once: as many as one turn may well use.
constexpr unsigned most_entrusted = 256;

}  // namespace

buffer_ring::~buffer_ring() { std::free(shared_); }

int buffer_ring::open(ring& on, const buffer_pool& lender) noexcept {
    wanted_ = std::min(most_entrusted, static_cast<unsigned>(lender.count()));
    size_ = std::bit_ceil(wanted_);
    const std::size_t length = (size_ * sizeof(io_uring_buf) + page - 1) / page * page;
    auto* made = static_cast<io_uring_buf_ring*>(std::aligned_alloc(page, length));
    if (made == nullptr) {
        return ENOMEM;
    }
    std::memset(made, 0, length);
    if (const int failed = on.share(made, size_)) {
        std::free(made);
        return failed;
    }
    shared_ = made;
    return 0;
}

bool buffer_ring::fill(buffer_pool& lender) noexcept {
    int added = 0;
    while (entrusted_ < wanted_) {
        const buffer_pool::place place = lender.entrust();
        if (place.bytes == nullptr) {
            break;
        }
        io_uring_buf_ring_add(shared_, place.bytes, static_cast<unsigned>(lender.size()),
                              static_cast<unsigned short>(place.number),
                              static_cast<int>(size_ - 1), added++);
        ++entrusted_;
    }
    if (added != 0) {
        io_uring_buf_ring_advance(shared_, added);
    }
    return entrusted_ != 0;
}

bool uring::fails_to_prepare(operation& op) noexcept {
    if (buffers_.is_open()) {
        return false;
    }
    if (const int failed = buffers_.open(ring_, *core().lent)) {
        settle_error(op, decode(op.what, failed));
        return true;
    }
    return false;
}

step uring::finish_receive(operation& op, uring_state& state, completion came) {
    auto& receiving = static_cast<tcp::receive_op&>(op);
    buffer_pool& lender = *core().lent;
    const bool took = (came.flags & IORING_CQE_F_BUFFER) != 0;
    const std::uint32_t number = came.flags >> IORING_CQE_BUFFER_SHIFT;
    if (took) {  // R88: it is ours again, whatever became of the request
        buffers_.returned();
    }
    if (took && came.result > 0) {
        state.readable = (came.flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
        receiving.fill(lender, lender.lend(number), number, static_cast<std::size_t>(came.result));
        settle_done(op);
        return step::done;
    }
    if (took) {
        lender.take_back(number);
    }
    if (came.result == 0) {
        settle_ended(op, state);
        return step::done;
    }
    if (came.result != -ENOBUFS) {
        return go_on_after(op, state, -came.result);
    }
    state.readable = true;  // R87: what came stays in the socket
    if (settle_ended_early(op)) {
        return step::done;
    }
    if (buffers_.fill(lender)) {
        return step::again;
    }
    return lender.starve(receiving) ? step::starved : step::done;
}

}  // namespace thole::detail
