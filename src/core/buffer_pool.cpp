// SPDX-License-Identifier: BSL-1.0
#include "core/buffer_pool.hpp"

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole::detail {

namespace {

constexpr std::align_val_t slab_alignment{buffer_pool::slab_size};

}  // namespace

buffer_pool::buffer_pool(loop_core* core, std::size_t size, std::size_t count) noexcept
    : size_(static_cast<std::uint32_t>(size)), count_(static_cast<std::uint32_t>(count)),
      size_shift_(static_cast<std::uint8_t>(std::countr_zero(size))), core_(core) {
    assert(takes_size(size) && takes_count(count));
}

buffer_pool::~buffer_pool() {
    for (std::size_t i = 0; i < slabs(); ++i) {
        ::operator delete(slabs_[i], slab_alignment);
    }
}

void buffer_pool::let_go() noexcept {
    core_ = nullptr;
    attentive_ = true;
    if (lent_ == 0) {
        delete this;
    }
}

// None is free: one that was never used, as long as there may be more. Who stands in the line comes
// before.
buffer_pool::place buffer_pool::make() noexcept {
    if (made_ == count_ || first_starved_ != nullptr) {
        return {};
    }
    if ((made_ & (per_slab() - 1)) == 0) {
        if (slabs_ == nullptr) {
            slabs_.reset(new (std::nothrow) std::byte*[(count_ + per_slab() - 1) / per_slab()]);
        }
        void* slab =
            slabs_ == nullptr ? nullptr : ::operator new(slab_size, slab_alignment, std::nothrow);
        if (slab == nullptr) {
            return {};
        }
        slabs_[made_ >> slab_shift()] = static_cast<std::byte*>(slab);
    }
    const std::uint32_t number = made_++;
    return {at(number), number};
}

bool buffer_pool::is_right_thread() const noexcept {
    return core_ == nullptr || core_->thread == std::thread::id{} ||
           core_->thread == std::this_thread::get_id();
}

void buffer_pool::came_back() noexcept {
    if (core_ == nullptr) {
        if (lent_ == 0) {
            delete this;
        }
    } else if (!serving_) {
        serving_ = true;
        core_->serve_starved();
        serving_ = false;
    }
}

// ---- The line.

bool buffer_pool::starve(tcp::receive_op& op) noexcept {
    if (op.starved) {
        return true;
    }
    if (lent_ == 0) {
        settle_error(op, raw_of(std::errc::not_enough_memory));
        return false;
    }
    op.starved = true;
    op.line = {nullptr, last_starved_};
    (last_starved_ != nullptr ? last_starved_->line.after : first_starved_) = &op;
    last_starved_ = &op;
    attentive_ = true;
    return true;
}

void buffer_pool::leave_line(operation& op) noexcept {
    auto& gone = static_cast<tcp::receive_op&>(op);
    const auto [after, before] = gone.line;
    gone.starved = false;
    (before != nullptr ? before->line.after : first_starved_) = after;
    (after != nullptr ? after->line.before : last_starved_) = before;
    attentive_ = first_starved_ != nullptr;
}

operation* buffer_pool::next_starved() noexcept {
    tcp::receive_op* first = free_ != nullptr ? first_starved_ : nullptr;
    if (first != nullptr) {
        leave_line(*first);
    }
    return first;
}

void give_back(buffer_pool& lender, std::byte* bytes, std::uint32_t number) noexcept {
    lender.give_back(bytes, number);
}

// ---- The loop's part.

namespace {

// Its socket is free for another reader.
void take_out(operation& op) noexcept {
    op.state->reading.remove(op);
    op.state->clear(mark::plain | mark::reader);
}

}  // namespace

// Each is asked for anew, as if it were started now: what the backend then does with it is its own
// affair.
void loop_core::serve_starved() noexcept {
    while (operation* op = lent->next_starved()) {
        take_out(*op);
        if (network->submit(*op)) {
            finished(*op);
        }
    }
}

// Nothing of it is in the kernel.
void loop_core::cancel_starved(operation& op) noexcept {
    lent->leave_line(op);
    take_out(op);
    settle_aborted(op, 0);
    finished(op);
}

}  // namespace thole::detail
