// SPDX-License-Identifier: BSL-1.0
#include "core/error_table.hpp"
#include "core/loop_core.hpp"
#include "posix/handle.hpp"
#include "posix/outcome.hpp"
#include "posix/uring.hpp"

namespace thole::detail {
namespace {

// Requests to park no more, where nobody takes what comes (R86).
constexpr std::size_t most_parked = 64;

// Without a name for the peer: one request has one place for it, and the next client would
// overwrite it (R86).
loose_socket accepted_socket(int fd) noexcept {
    return {static_cast<std::uintptr_t>(fd), &blocking_methods, {}, {}};
}
// A detached one may have to tell it when the peer is gone.
void name_peer(const operation& op, loose_socket& arrived) noexcept {
    if (op.what == verb::accept_detached) {
        static_cast<void>(peer_name(static_cast<int>(arrived.native), arrived.peer));
    }
}

}  // namespace

int uring::listening(native_state& state) noexcept {
    constexpr std::size_t usual = 16;
    return static_cast<uring_listener&>(state).inbound.reserve(usual) ? 0 : ENOMEM;
}

// The standing request stands while somebody waits; whatever it brings beyond that is parked. It is
// ended where nobody waits any more, so that this is bounded by what one call brings, and where
// `most_parked` are parked, however many calls there are meanwhile (R86).
bool uring::submit_accept(operation& op, uring_listener& state) noexcept {
    if (state.inbound.size() > 0 && state.reading.empty()) {
        loose_socket arrived = state.inbound.take();
        name_peer(op, arrived);
        core().give(op, arrived);
        return true;
    }
    state.reading.push(op);
    if (!state.reading_at.sent && !is_paused(state.reading)) {
        stand_ready(state);
    }
    return false;
}

void uring::stand_ready(uring_listener& state) noexcept {
    if (!try_to_stand_ready(state)) {
        state.reading_at.postponed = true;
        postpone(state);
    }
}

bool uring::try_to_stand_ready(uring_listener& state) noexcept {
    io_uring_sqe* asked = request();
    if (asked == nullptr) {
        return false;
    }
    io_uring_prep_multishot_accept(asked, state.fd, nullptr, nullptr, SOCK_CLOEXEC);
    asked->user_data = accept_token(token::of(state.next_word(false))).word();
    state.reading_at.sent = true;
    state.reading_at.postponed = false;
    state.counts.standing = 1;
    return true;
}

void uring::accepted(uring_listener& state, completion came, completions& finished) {
    if ((came.flags & IORING_CQE_F_MORE) == 0) {  // R85: this one counts, and is the last
        state.reading_at.sent = false;
        state.cancelling = false;
        state.counts.standing = 0;
    }
    if (came.result >= 0) {
        loose_socket arrived = accepted_socket(came.result);
        const bool parks = state.reading.empty() && state.inbound.full();
        if (state.closed || (parks && !state.inbound.grow())) {
            arrived.methods->close(arrived.native);
        } else {
            if (const operation* op = state.reading.front()) {
                name_peer(*op, arrived);
            }
            deliver(state, state.inbound, arrived, finished);
        }
    } else {
        accept_failed(state, -came.result, finished);
    }
    if (state.closed) {
        release_idle(state);
    } else if (state.reading.empty()) {
        if (state.inbound.size() >= most_parked && state.reading_at.sent && !state.cancelling) {
            ask_to_cancel(state, false);
        } else if (state.reading_at.sent) {
            postpone(state);  // nobody may ask again in this turn: see send_postponed_of()
        }
    } else if (!state.reading_at.sent && !is_paused(state.reading)) {
        stand_ready(state);
    }
}

void uring::accept_failed(uring_listener& state, int raw, completions& finished) {
    if (is_ended_early(raw)) {
        return;
    }
    if (is_of_one_client(raw)) {
        ++state.counts.absorbed;
        return;
    }
    shed(state, state, raw);
    operation* op = state.reading.front();
    if (op != nullptr && !op->paused) {
        state.reading.remove(*op);
        settle_error(*op, decode(op->what, raw));
        finished.push(*op);
    }
}

// The next client shall be refused at once, so that this one request is sent without delay.
void uring::close_listener(uring_listener& state) noexcept {
    while (state.inbound.size() > 0) {
        const loose_socket parked = state.inbound.take();
        parked.methods->close(parked.native);
    }
    if (state.reading_at.sent && !is_lost()) {
        if (!state.cancelling) {
            ask_to_cancel(state, false);
        }
        if (ring_.enabled()) {
            ring_.send(true);
        }
        if (ring_.unsent() != 0) {  // the request still names the descriptor
            return;
        }
    }
    close_handle(state.fd);
    state.fd = -1;
}

}  // namespace thole::detail
