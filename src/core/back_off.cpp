// SPDX-License-Identifier: BSL-1.0
#include "core/back_off.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole::detail {

bool is_exhaustion(int raw) noexcept {
    for (const error_row& row : error_table()) {
        if (row.raw == raw) {
            return row.meaning == std::errc::too_many_files_open ||
                   row.meaning == std::errc::too_many_files_open_in_system ||
                   row.meaning == std::errc::no_buffer_space ||
                   row.meaning == std::errc::not_enough_memory;
        }
    }
    return false;
}

// ---- The line.

back_off::back_off(loop_core& core) noexcept
    : core_(core), timer_([](void* self) { static_cast<back_off*>(self)->ask_again(); }, this) {
    timer_.belong_to(&core);
}

bool back_off::grow() noexcept {
    const std::size_t size = std::max<std::size_t>(16, size_ * 2);
    std::unique_ptr<operation*[]> grown(new (std::nothrow) operation*[size]);
    if (grown == nullptr) {
        return false;
    }
    std::copy_n(line_.get(), count_, grown.get());
    line_ = std::move(grown);
    size_ = size;
    return true;
}

bool back_off::add(operation& op) noexcept {
    if (count_ == size_ && !grow()) {
        return false;
    }
    if (count_ == 0) {
        arm();
    }
    op.paused = true;
    op.native_error = false;
    op.error = static_cast<std::int32_t>(count_);
    line_[count_++] = &op;
    return true;
}

void back_off::remove(operation& op) noexcept {
    const auto place = static_cast<std::size_t>(op.error);
    line_[place] = line_[--count_];
    line_[place]->error = op.error;
    op.error = 0;
    op.paused = false;
    if (count_ == 0) {
        timer_.disarm();
    }
}

void back_off::replace(operation& op, operation& next) noexcept {
    line_[static_cast<std::size_t>(op.error)] = &next;
    next.error = std::exchange(op.error, 0);
    next.paused = true;
    op.paused = false;
}

void back_off::arm() noexcept {
    const time_point now = core_.clock();
    delay_ = now < calm_ ? std::min(2 * delay_, most) : first;
    calm_ = now + 2 * delay_;
    static_cast<void>(timer_.arm(within(delay_)));
}

// What fails again takes a place that was left before.
void back_off::ask_again() noexcept {
    const std::size_t due = std::exchange(count_, 0);
    calm_ = core_.clock() + 2 * delay_;  // from now on, however late that is
    for (std::size_t i = 0; i < due; ++i) {
        operation& op = *line_[i];
        op.error = 0;
        op.paused = false;
        core_.ask_again(op);
    }
}

// ---- The loop's part.

namespace {

// As the readiness kind of backend marks who waits; the others keep their marks.
void mark_waiting(const loop_core& core, socket_state& state, bool writing) noexcept {
    const bool empty = writing ? state.writing.empty() : state.reading.empty();
    if (writing && core.offering != nullptr) {
        empty ? state.clear(mark::submitted) : state.set(mark::submitted);
    } else if (!writing) {
        state.clear(mark::plain | mark::reader);
        if (!empty) {
            state.set(mark::reader);
        }
    }
}

}  // namespace

bool loop_core::backs_off(operation& op) noexcept {
    const bool accepts = is_accept(op.what);
    if (op.why != reason::none || !(accepts || is_transfer(op.what)) || !is_exhaustion(op.error)) {
        return false;
    }
    listener_half* door = accepts ? op.state->as_listener() : nullptr;
    if (accepts && door->when_exhausted == tcp::exhaustion_policy::report) {
        return false;
    }
    operation_queue& queue = queue_of(op);
    if (is_paused(queue)) {
        op.error = 0;
        op.native_error = false;
        queue.push(op);
        return true;
    }
    if (lacking == nullptr) {
        lacking.reset(new (std::nothrow) back_off(*this));
    }
    if (lacking == nullptr || !lacking->add(op)) {
        return false;
    }
    if (accepts) {
        ++door->counts.pauses;
    }
    // A transfer has its direction alone; its `prev` may be a link of io_uring's undecided writes.
    accepts ? queue.push_front(op) : queue.push_alone(op);
    mark_waiting(*this, *op.state, uses_writing(op.what));
    loop_watch::tell(scarcity);
    return true;
}

void loop_core::resume(operation& op) noexcept { lacking->remove(op); }

void loop_core::leave_line(operation& op) noexcept {
    if (op.starved) {
        lent->leave_line(op);
    } else if (op.paused) {
        resume(op);
    }
}

// The queue is emptied first: to the backend each is one that is started now. Where one has to
// wait, so have those behind it.
void loop_core::ask_again(operation& op) noexcept {
    const bool writing = uses_writing(op.what);
    socket_state& state = *op.state;
    operation_queue& queue = queue_of(op);
    if (is_accept(op.what) && state.as_listener()->when_exhausted == tcp::exhaustion_policy::shed) {
        // Before a client: where descriptors come back one by one, clients would take each of them.
        control_request lost{request::keep_reserve};
        static_cast<void>(network->control(state, lost));
    }
    operation_queue others = std::exchange(queue, {});
    mark_waiting(*this, state, writing);
    for (operation* next = others.front(); next != nullptr && queue.empty();
         next = others.front()) {
        others.remove(*next);
        if (network->submit(*next)) {
            finished(*next);
        }
    }
    if (!others.empty()) {
        queue.append(others);
        mark_waiting(*this, state, writing);
    }
}

// Who stands behind it waits in its place.
void loop_core::cancel_paused(operation& op) noexcept {
    const bool writing = uses_writing(op.what);
    socket_state& state = *op.state;
    operation_queue& queue = queue_of(op);
    queue.remove(op);
    if (operation* next = queue.front()) {
        lacking->replace(op, *next);
    } else {
        lacking->remove(op);
    }
    mark_waiting(*this, state, writing);
    settle_aborted(op, 0);
    finished(op);
}

}  // namespace thole::detail
