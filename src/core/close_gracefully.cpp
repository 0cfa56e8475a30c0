// SPDX-License-Identifier: BSL-1.0
// Graceful close: an operation that is made of others, on a socket whose handle is closed.
#include <thole/close_gracefully.hpp>

#include <algorithm>
#include <new>
#include <utility>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole {

// ---- The line.

namespace detail {

bool close_line::enter(tcp::close_gracefully_op& op) noexcept {
    if (running < most) {  // then nobody stands
        ++running;
        op.running_ = true;
        return true;
    }
    op.before_ = last;
    op.after_ = nullptr;
    (last != nullptr ? last->after_ : first) = &op;
    last = &op;
    ++standing;
    return false;
}

void close_line::leave(tcp::close_gracefully_op& op) noexcept {
    if (std::exchange(op.running_, false)) {
        --running;
        return;
    }
    (op.before_ != nullptr ? op.before_->after_ : first) = op.after_;
    (op.after_ != nullptr ? op.after_->before_ : last) = op.before_;
    --standing;
}

void close_line::move_up() noexcept {
    while (first != nullptr && running < most) {
        tcp::close_gracefully_op& next = *first;
        leave(next);
        static_cast<void>(enter(next));
        next.go_on();
    }
}

std::byte* close_line::discard() noexcept {
    if (discarded == nullptr) {
        discarded.reset(new (std::nothrow) std::byte[discard_size]);
    }
    return discarded.get();
}

}  // namespace detail

namespace tcp {

using detail::request;
using detail::turn;

// ---- Starting.

const detail::local_methods& close_gracefully_op::served() noexcept {
    static constexpr detail::local_methods methods{
        .start = &begin, .cancel = &give_up, .composed = true};
    return methods;
}

close_gracefully_op::close_gracefully_op() noexcept
    : local_operation(served()), looks_(&look, this) {}

close_gracefully_op::~close_gracefully_op() {
    if (at < detail::stage::submitted) {  // else the operation refuses to go
        release();
    }
}

void close_gracefully_op::release() noexcept {
    if (detail::socket_state* had = std::exchange(held_, nullptr)) {
        detail::close(*had);
    }
}

void close_gracefully_op::prepare(socket& on, deadline until,
                                  const close_options& options) noexcept {
    detail::socket_state* given = std::exchange(on.state_, nullptr);
    reset(verb::close_gracefully, given != nullptr ? given->core : nullptr, until);
    release();
    held_ = given;
    options_ = options;
    report_ = {};
    resets_at_end_ = false;
    decided_ = false;
}

bool close_gracefully_op::begin(local_operation& op) {
    auto& self = static_cast<close_gracefully_op&>(op);
    detail::socket_state* state = self.held_;
    if (state == nullptr || state->core == nullptr) {
        settle_own(self, errc::closed);
        return true;
    }
    self.looks_.belong_to(self.core);
    detail::loop_core::unlink(*state);
    self.place_.of = &self;
    self.place_.next = self.place_.prev = state;
    state->next = state->prev = &self.place_;
    self.core->cancel_all(state->reading, detail::reason::closed);
    if (self.core->closings.enter(self)) {
        self.go_on();
    }
    return false;
}

// Its turn has come.
void close_gracefully_op::go_on() noexcept {
    report_.phase = close_phase::writing;
    wait_for(writer_, held_->writing.front());
    wait_for(reader_, held_->reading.front());
    if (writer_.op == nullptr && reader_.op == nullptr) {
        send_fin();
    }
}

// ---- What the user has pending there is told to us first. So nothing is asked on the way of a
// transfer, and there is no other sign of its end.

void close_gracefully_op::wait_for(awaited& one, operation* pending) noexcept {
    if (pending != nullptr) {
        one = {pending, std::exchange(pending->act, &came_back)};
    }
}

void close_gracefully_op::came_back(detail::runnable& self, turn how) {
    auto& op = static_cast<operation&>(self);
    close_gracefully_op& of = *static_cast<place&>(*op.state->next).of;
    const bool wrote = &op == of.writer_.op;
    op.act = std::exchange(wrote ? of.writer_ : of.reader_, {}).act;
    if (wrote) {
        of.report_.unsent = detail::total_length(op) - op.count;
    }
    if (of.writer_.op == nullptr && of.reader_.op == nullptr) {
        of.decided_ ? of.end() : of.send_fin();
    }
    op.act(op, how);
}

// ---- The end of ours, and theirs.

void close_gracefully_op::send_fin() noexcept {
    report_.phase = close_phase::waiting;
    detail::control_request asked{request::shutdown_write};
    // What is wrong with the connection is told to the read.
    static_cast<void>(detail::loop_core::control(held_, asked));
    if (options_.avoid_time_wait) {
        asked = {request::fin_arrived};
        resets_at_end_ = static_cast<bool>(detail::loop_core::control(held_, asked));
        if (!resets_at_end_) {
            pace_ = std::chrono::milliseconds(1);
            static_cast<void>(looks_.arm(within(std::chrono::nanoseconds(1))));
        }
    }
    read_on(verb::wait_readable);
}

// Nothing tells of the acknowledgement, so it is looked for.
void close_gracefully_op::look(void* self) {
    constexpr std::chrono::milliseconds slowest(64);
    auto& of = *static_cast<close_gracefully_op*>(self);
    detail::control_request asked{request::fin_arrived};
    static_cast<void>(detail::loop_core::control(of.held_, asked));
    if (asked.value != 0) {
        of.decide(close_end::time_wait_avoided, {});
    } else {
        static_cast<void>(of.looks_.arm(within(of.pace_)));
        of.pace_ = std::min(of.pace_ * 2, slowest);
    }
}

// While nothing comes, no memory of ours is in the kernel's hands.
void close_gracefully_op::read_on(verb asked) noexcept {
    std::byte* to = asked == verb::read ? core->closings.discard() : nullptr;
    std::size_t most = 1;
    if (asked == verb::read) {
        if (to == nullptr) {
            decide(close_end::failed, make_error_code(std::errc::not_enough_memory));
            return;
        }
        const std::size_t left = options_.most_discarded - report_.discarded;
        most =
            left < detail::close_line::discard_size ? left + 1 : detail::close_line::discard_size;
    }
    step_.prepare(asked, *held_, to, most);
    step_.of = this;
    step_.act = &stepped;
    detail::begin_callback(step_);
}

void close_gracefully_op::stepped(detail::runnable& self, turn) {
    auto& read = static_cast<step&>(self);
    read.at = detail::stage::dispatched;
    read.of->took(read);
}

// An effect beats a reason (R101): a FIN or a reset that came meanwhile is what ended it.
void close_gracefully_op::took(step& read) noexcept {
    const std::error_code failed = read.outcome();
    const bool ours = failed.category() == category();
    if (read.what == verb::read) {
        report_.discarded += read.count;
    }
    if (failed == errc::end_of_stream) {
        decide(close_end::peer_closed, {});
    } else if (failed && !ours) {
        decide(close_end::reset, failed);
    } else if (decided_) {
        end();
    } else if (failed) {
        decide(close_end::failed, failed);
    } else if (read.what == verb::wait_readable) {
        read_on(verb::read);
    } else if (report_.discarded > options_.most_discarded) {
        decide(close_end::limit, errc::limit_reached);
    } else {
        read_on(verb::wait_readable);
    }
}

// ---- Ending.

bool close_gracefully_op::give_up(local_operation& op) {
    auto& self = static_cast<close_gracefully_op&>(op);
    if (self.decided_) {
        return false;
    }
    switch (self.why) {
    case detail::reason::deadline:
        self.decide(close_end::deadline, errc::deadline_reached);
        break;
    case detail::reason::cancelled:
        self.decide(close_end::cancelled, errc::cancelled);
        break;
    case detail::reason::closed:  // the loop's end
    case detail::reason::none:
        self.decide(close_end::failed, errc::closed);
        break;
    }
    return false;  // it ends by itself
}

// It ends when all that is pending has come back, so that nothing is closed under it, and what of a
// write the kernel took is known.
void close_gracefully_op::decide(close_end by, const std::error_code& as) noexcept {
    decided_ = true;
    report_.ended_by = by;
    report_.error = as;
    looks_.disarm();
    core->cancel_all(held_->reading, detail::reason::closed);
    core->cancel_all(held_->writing, detail::reason::closed);
    const bool reads = step_.at >= detail::stage::submitted;
    if (!reads && writer_.op == nullptr && reader_.op == nullptr) {
        end();
    }
}

void close_gracefully_op::end() noexcept {
    detail::control_request asked{request::unacknowledged};
    if (!detail::loop_core::control(held_, asked) && asked.value > 0) {
        report_.unsent += static_cast<std::size_t>(asked.value);
    }
    const bool usual = report_.ended_by == close_end::peer_closed ? !resets_at_end_ : core->closing;
    detail::close(*std::exchange(held_, nullptr),
                  usual ? detail::farewell::usual : detail::farewell::reset);
    core->closings.leave(*this);
    if (!core->closing) {
        core->closings.move_up();
    }
    if (report_.error) {
        settle_code(*this, report_.error);
    } else {
        settle_done(*this);
    }
    core->finish_local(*this);
}

close_report close_gracefully_op::take() noexcept {
    report_.error = outcome();
    if (detail::socket_state* had = std::exchange(held_, nullptr)) {  // it could not begin
        const bool late = report_.error == errc::deadline_reached;
        report_.ended_by = late ? close_end::deadline : close_end::failed;
        detail::close(*had, detail::farewell::reset);
    }
    return report_;
}

}  // namespace tcp
}  // namespace thole
