// SPDX-License-Identifier: BSL-1.0
#include "posix/uring.hpp"

#include <new>
#include <utility>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"
#include "posix/handle.hpp"
#include "posix/outcome.hpp"

namespace thole::detail {
namespace {

uring_state& state_of(const operation& op) noexcept { return static_cast<uring_state&>(*op.state); }

}  // namespace

// ---- Sockets.

int uring::start(std::string& reason) noexcept {
    if (const int failed = open_waker()) {
        reason = "a loop's waker cannot be made";
        return failed;
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
    return slots_[static_cast<const uring_state&>(state).slot].since;
}

void uring::close(socket_state* state) {
    auto& closing = static_cast<uring_state&>(*state);
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
            asked->flags = IOSQE_CQE_SKIP_SUCCESS;
            last_close_ = ring_.mark();
        } else {
            close_handle(state.fd);
        }
    }
    --held_;
    slots_.remove(state.slot);
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
    slot_table::entry& place = slots_[state.slot];
    if (op.what == verb::connect && !static_cast<tcp::connect_op&>(op).connected) {
        prepare_connect(op, state, *asked, ring_.attached(*asked));
    } else if (op.what == verb::receive) {
        prepare_receive(state, *asked);
    } else {
        prepare_transfer(op, state, *asked, ring_.attached(*asked), glance_);
    }
    const bool writing = uses_writing(op.what);
    asked->user_data = writing ? token{token_kind::writing, ++place.writing, state.slot}.word()
                               : token{token_kind::reading, ++place.reading, state.slot}.word();
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
    slots_[state.slot].next = slot_table::none;
    if (last_postponed_ == slot_table::none) {
        first_postponed_ = state.slot;
    } else {
        slots_[last_postponed_].next = state.slot;
    }
    last_postponed_ = state.slot;
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
            return listener.reading_at.sent || try_to_stand_ready(listener);
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

bool uring::cancel(operation& op) {
    uring_state& state = state_of(op);
    const bool writing = uses_writing(op.what);
    direction& at = direction_of(state, writing);
    if (is_accept(op.what) || !at.sent || is_lost()) {
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
    ask_to_cancel(state, writing);
    return false;
}

// R89: what this request says decides nothing; the completion of the other one does.
void uring::ask_to_cancel(uring_state& state, bool writing) noexcept {
    const bool accepts = state.kind.role == socket_role::listener;
    const slot_table::entry& place = slots_[state.slot];
    const token which{accepts   ? token_kind::accept
                      : writing ? token_kind::writing
                                : token_kind::reading,
                      writing ? place.writing : place.reading, state.slot};
    io_uring_sqe* asked = request();
    if (asked == nullptr) {
        direction_of(state, writing).cancel_postponed = true;
        postpone(state);
        return;
    }
    io_uring_prep_cancel64(asked, which.word(), 0);
    asked->flags = IOSQE_CQE_SKIP_SUCCESS;
    if (accepts) {
        static_cast<uring_listener&>(state).cancelling = true;
    }
}

// ---- Choosing.

backend_choice uring_backend(loop_core& core) {
    std::unique_ptr<uring> made(new (std::nothrow) uring(core));
    std::string reason = "there is no memory";
    if (const int failed = made != nullptr ? made->start(reason) : ENOMEM) {
        return {nullptr, system_error(failed), reason + ": " + system_message(failed)};
    }
    return {std::move(made), {}, {}};
}

}  // namespace thole::detail
