// SPDX-License-Identifier: BSL-1.0
#include "posix/uring.hpp"

#include <new>
#include <utility>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"
#include "posix/handle.hpp"
#include "posix/outcome.hpp"

namespace thole::detail {

// ---- Sockets.

int uring::start(std::string& reason) noexcept {
    if (const int failed = open_waker()) {
        reason = "a loop's waker cannot be made";
        return failed;
    }
    if (!slots_.open()) {
        return ENOMEM;
    }
    forks_ = fork_count;
    return ring_.open(reason);
}

native_state* uring::take(int fd, socket_kind kind, int& failed) noexcept {
    uring_state* state = kind.role == socket_role::listener ? new (std::nothrow) uring_listener
                                                            : new (std::nothrow) uring_state;
    if (state == nullptr || !slots_.put(*state)) {
        delete state;
        failed = ENOMEM;
        return nullptr;
    }
    state->core = &core();
    state->kind = kind;
    state->fd = fd;
    return state;
}

int uring::attach(native_state& state) noexcept {
    static_cast<uring_state&>(state).readable = true;  // its first bytes may be here
    return 0;
}

int uring::detach(native_state&) noexcept { return 0; }

std::uint32_t& uring::since(const native_state& state) noexcept {
    return slots_[static_cast<const uring_state&>(state).slot()].since;
}

void uring::close(socket_state* state, farewell how) {
    auto& closing = static_cast<uring_state&>(*state);
    if (how == farewell::reset && closing.fd >= 0) {
        static_cast<void>(reset_on_close(closing.fd));
    }
    closing.closed = true;
    ++held_;
    if (closing.kind.role == socket_role::listener) {
        close_listener(static_cast<uring_listener&>(closing));
    }
    release_idle(closing);
}

// R91: a descriptor is closed when nothing in the kernel speaks of it any more, or its end would
// neither be told to the peer nor be the end of a pending request.
void uring::release_idle(uring_state& state) noexcept {
    if (!state.closed || state.listed || state.reading_at.sent || state.writing_at.sent ||
        !state.reading.empty() || !state.writing.empty()) {
        return;
    }
    if (state.fd >= 0) {
        // Outside of a run nobody would send the request for a while.
        io_uring_sqe* asked = core().running && !is_lost() ? request() : nullptr;
        if (asked != nullptr) {
            io_uring_prep_close(asked, state.fd);
            tells_nobody(*asked);
            last_close_ = ring_.mark();
        } else {
            close_handle(state.fd);
        }
    }
    --held_;
    slots_.remove(state.slot());
    dispose(&state);
}

std::size_t uring::held() const noexcept {
    return held_ + (is_lost() || ring_.has_taken(last_close_) ? 0 : 1);
}

// ---- Requests.

io_uring_sqe* uring::request() noexcept {
    io_uring_sqe* place = ring_.next();
    if (place == nullptr && ring_.enabled()) {
        ring_.send(false);
        place = ring_.next();
    }
    return place;
}

void uring::ask(operation& op) noexcept {
    if (!try_to_ask(op)) {
        uring_state& state = state_of(op);
        direction_of(state, uses_writing(op.what)).postponed = true;
        postpone(state);
    }
}

bool uring::try_to_ask(operation& op) noexcept {
    io_uring_sqe* asked = request();
    if (asked == nullptr) {
        return false;
    }
    uring_state& state = state_of(op);
    if (op.what == verb::connect && !static_cast<tcp::connect_op&>(op).connected) {
        prepare_connect(op, state, *asked, ring_.attached(*asked));
    } else if (op.what == verb::receive) {
        prepare_receive(state, *asked);
    } else {
        prepare_transfer(op, state, *asked, ring_.attached(*asked), glance_);
    }
    const bool writing = uses_writing(op.what);
    asked->user_data = state.next_word(writing);
    direction& at = direction_of(state, writing);
    at.sent = true;
    at.postponed = false;
    return true;
}

// R82: what has no room now stands on a list, which takes no memory.
void uring::postpone(uring_state& state) noexcept {
    if (state.listed) {
        return;
    }
    state.listed = true;
    slots_[state.slot()].next = slot_table::none;
    if (last_postponed_ == slot_table::none) {
        first_postponed_ = state.slot();
    } else {
        slots_[last_postponed_].next = state.slot();
    }
    last_postponed_ = state.slot();
}

void uring::send_postponed() noexcept {
    while (first_postponed_ != slot_table::none) {
        slot_table::entry& place = slots_[first_postponed_];
        uring_state& state = *place.state;
        if (!send_postponed_of(state)) {
            return;
        }
        first_postponed_ = place.next;
        if (first_postponed_ == slot_table::none) {
            last_postponed_ = slot_table::none;
        }
        state.listed = false;
        release_idle(state);
    }
}

// False: there is no room.
bool uring::send_postponed_of(uring_state& state) noexcept {
    if (state.kind.role == socket_role::listener && !state.closed) {
        auto& listener = static_cast<uring_listener&>(state);
        if (!listener.reading.empty()) {
            return listener.reading_at.sent || is_paused(listener.reading) ||
                   try_to_stand_ready(listener);
        }
        // R86: nobody asks for clients, so that none shall be taken out of the system's queue.
        if (listener.reading_at.sent && !listener.cancelling) {
            ask_to_cancel(listener, false);
        }
    }
    for (const bool writing : {false, true}) {
        direction& at = direction_of(state, writing);
        operation* op = writing ? state.writing.front() : state.reading.front();
        if (at.postponed && op != nullptr && !is_accept(op->what) && !try_to_ask(*op)) {
            return false;
        }
        at.postponed = false;
        if (at.cancel_postponed && at.sent) {
            at.cancel_postponed = false;
            ask_to_cancel(state, writing);
            if (at.cancel_postponed) {
                return false;
            }
        }
        at.cancel_postponed = false;
    }
    return true;
}

// ---- Operations.

bool uring::submit(operation& op) {
    uring_state& state = state_of(op);
    if (is_accept(op.what)) {
        return submit_accept(op, static_cast<uring_listener&>(state));
    }
    if (op.what == verb::connect && begin_connect(op, state)) {
        return true;
    }
    if (op.what == verb::receive && fails_to_prepare(op)) {
        return true;
    }
    queue_of(op).push_alone(op);
    ask(op);
    return false;
}

// ---- The short way of submit().

bool uring::take_plain_read(operation& op) {
    uring_state& state = state_of(op);
    auto& self = static_cast<uring&>(*state.core->network);
    const bool receives = op.what == verb::receive;
    if (receives ? !self.buffers_.is_open() : op.length > most_at_once) {
        return false;
    }
    io_uring_sqe* asked = self.ring_.next();
    if (asked == nullptr) {
        return false;
    }
    if (receives) {
        self.prepare_receive(state, *asked);
    } else {
        asked->opcode = IORING_OP_RECV;
        asked->ioprio = state.readable ? 0 : IORING_RECVSEND_POLL_FIRST;  // R63
        asked->fd = state.fd;
        asked->addr = reinterpret_cast<std::uintptr_t>(op.buffer);
        asked->len = static_cast<std::uint32_t>(op.length);
    }
    asked->user_data = state.next_word(false);
    state.reading.push_alone(op);
    state.reading_at.sent = true;
    state.core->becomes_pending(op);
    return true;
}

// Nearly always the kernel takes all the bytes while it takes the request, which asks for no
// completion then: decide() is told by its absence.
bool uring::take_plain_write(operation& op) {
    uring_state& state = state_of(op);
    auto& self = static_cast<uring&>(*state.core->network);
    if (state.stuffed || !self.ring_.tells_of_cut_sends() || op.length > most_at_once) {
        return false;
    }
    io_uring_sqe* asked = self.ring_.next();
    if (asked == nullptr) {
        return false;
    }
    asked->opcode = IORING_OP_SEND;
    asked->flags = IOSQE_CQE_SKIP_SUCCESS;
    asked->fd = state.fd;
    asked->addr = reinterpret_cast<std::uintptr_t>(op.buffer);
    asked->len = static_cast<std::uint32_t>(op.length);
    asked->msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;  // R72
    asked->user_data = state.next_word(true);
    state.writing.push_alone(op);
    state.writing_at.sent = true;
    state.writing_at.undecided = true;
    op.prev = nullptr;
    *self.last_undecided_ = &op;
    self.last_undecided_ = &op.prev;
    state.core->becomes_passing(op);
    return true;
}

bool uring::cancel(operation& op) {
    uring_state& state = state_of(op);
    const bool writing = uses_writing(op.what);
    direction& at = direction_of(state, writing);
    if (is_accept(op.what) || !at.sent || is_lost() || withdraw(op, state, writing)) {
        // An accept stands in our queue alone, so that no client is lost with it.
        queue_of(op).remove(op);
        settle_aborted(op, ECANCELED);
        if (is_accept(op.what)) {
            if (state.reading.empty() && at.sent && !is_lost()) {
                postpone(state);
            }
        } else {
            at.postponed = false;
            at.sent = false;
        }
        return true;
    }
    if (!at.undecided) {  // else the next wait() decides it, and does not sleep
        ask_to_cancel(state, writing);
    }
    return false;
}

// What the kernel has not seen does not happen. False: it has seen it.
bool uring::withdraw(operation& op, uring_state& state, bool writing) noexcept {
    io_uring_sqe* unsent = ring_.find_unsent(state.last[writing ? 1 : 0]);
    if (unsent == nullptr) {
        return false;
    }
    io_uring_prep_nop(unsent);
    tells_nobody(*unsent);
    if (direction_of(state, writing).undecided) {
        state.writing_at.undecided = false;
        operation** link = &undecided_;
        while (*link != &op) {
            link = &(*link)->prev;
        }
        *link = op.prev;
        if (op.prev == nullptr) {
            last_undecided_ = link;
        }
    }
    return true;
}

// R89: what this request says decides nothing; the completion of the other one does.
void uring::ask_to_cancel(uring_state& state, bool writing) noexcept {
    const bool accepts = state.kind.role == socket_role::listener;
    const token last = token::of(state.last[writing ? 1 : 0]);
    const token which = accepts ? accept_token(last) : last;
    io_uring_sqe* asked = request();
    if (asked == nullptr) {
        direction_of(state, writing).cancel_postponed = true;
        postpone(state);
        return;
    }
    io_uring_prep_cancel64(asked, which.word(), 0);
    tells_nobody(*asked);
    if (accepts) {
        static_cast<uring_listener&>(state).cancelling = true;
    }
}

// ---- Choosing.

backend_choice uring_backend(loop_core& core) {
    std::unique_ptr<uring> made(new (std::nothrow) uring(core));
    std::string reason = "there is no memory";
    if (const int failed = made != nullptr ? made->start(reason) : ENOMEM) {
        return refused(reason.c_str(), failed);
    }
    return {std::move(made), {}, {}};
}

}  // namespace thole::detail
