// SPDX-License-Identifier: BSL-1.0
// Waiting: what goes to the kernel, what comes back, what wakes, and how it ends.
#include <utility>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"
#include "posix/handle.hpp"
#include "posix/uring.hpp"

namespace thole::detail {

// ---- Completions.

// What a program waits for all day: that a read has moved something.
inline bool uring::completed_read(completion came, completions& finished) {
    uring_state* state = slots_[token::of(came.word).slot].state;
    if (state == nullptr || state->last[0] != came.word || came.result <= 0 || state->closed) {
        return false;
    }
    operation& op = *state->reading.front();
    if (op.what != verb::read) {
        return false;
    }
    state->reading_at = {};
    state->readable = (came.flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
    op.count = static_cast<std::size_t>(came.result);
    settle_done(op);
    state->reading.remove_alone();
    finished.push_done(op);
    return true;
}

void uring::completed(completion came, completions& finished) {
    const token about = token::of(came.word);
    if (about.kind() >= token_kind::accept) {
        completed_other(about, came, finished);
    } else if (uring_state* state = slots_.find(about)) {
        completed(*state, about.kind() == token_kind::writing, came, finished);
    }
}

void uring::completed(uring_state& state, bool writing, completion came, completions& finished) {
    operation_queue& queue = writing ? state.writing : state.reading;
    operation& op = *queue.front();
    const direction was = std::exchange(direction_of(state, writing), {});
    step next = step::done;
    if (op.what == verb::receive) {
        next = finish_receive(op, state, came);
    } else if (!writing) {
        next = finish_read(op, state, came);
    } else if (op.what == verb::connect) {
        next = finish_connect(op, state, came.result);
    } else if (was.undecided) {
        next = finish_undecided(op, state, came.result);
    } else {
        next = finish_write(op, state, came.result);
    }
    if (next == step::again) {
        if (was.undecided) {
            core().stays(op);
        }
        ask(op);
    }
    if (next != step::done) {
        return;
    }
    queue.remove_alone();
    finished.push(op);
    if (was.undecided && op.paused) {
        core().stays(op);
    }
    release_idle(state);
}

void uring::completed_other(token about, completion came, completions& finished) {
    if (about.kind() == token_kind::accept) {
        if (uring_state* state = slots_.find(accept_token(about))) {
            accepted(static_cast<uring_listener&>(*state), came, finished);
        }
    } else if (about.slot == token::waker) {
        waker_watched_ = (came.flags & IORING_CQE_F_MORE) != 0;  // R85, R100
    }
}

// Writes that asked for a completion only if they fail, after all completions were seen: where the
// kernel took the request, it took the bytes.
void uring::decide(bool taken, completions& finished) {
    operation* op = std::exchange(undecided_, nullptr);
    last_undecided_ = &undecided_;
    while (op != nullptr) {
        operation* following = op->prev;
        // One that has failed has finished, or waits for another request.
        if (op->at == stage::submitted && state_of(*op).writing_at.undecided) {
            uring_state& state = state_of(*op);
            if (taken) {
                state.writing_at = {};
                op->count = op->length;
                settle_done(*op);
                state.writing.remove_alone();
                finished.push_done(*op);
                if (state.closed) [[unlikely]] {
                    release_idle(state);
                }
            } else {
                op->prev = nullptr;
                *last_undecided_ = op;
                last_undecided_ = &op->prev;
            }
        }
        op = following;
    }
}

// False: the kernel still keeps some.
bool uring::reap(completions& finished) {
    for (;;) {
        ring_.reap([&](completion came) {
            if (!completed_read(came, finished)) {
                completed(came, finished);
            }
        });
        if (!ring_.overflowed()) {
            return true;
        }
        if (ring_.send(true) < 0) {  // R84
            return false;
        }
    }
}

// ---- Waiting.

bool uring::watch_waker() noexcept {
    if (waker_watched_) {
        return true;
    }
    io_uring_sqe* asked = request();
    if (asked == nullptr) {
        return false;
    }
    // Each write tells once, and none is ever read back (R119).
    io_uring_prep_poll_multishot(asked, waker(), POLLIN);
    asked->user_data = token::of_other(token::waker).word();
    waker_watched_ = true;
    return true;
}

// The ring belongs to the thread that runs the loop (R95).
int uring::make_ours() noexcept {
    if (is_lost()) {
        return EPERM;
    }
    return ring_.enabled() ? 0 : ring_.enable();
}

// The ring's own descriptor does not do: where completions are deferred nobody who polls it is
// told of what waits for this thread (R96). The kernel signals a registered eventfd of that, but
// not of a request that itself waits for an eventfd, as the waker's does: so they are two.
int uring::open_outside() noexcept {
    outside_ = sys::epoll_create1(EPOLL_CLOEXEC);
    signal_ = outside_ < 0 ? -1 : sys::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (signal_ < 0) {
        return errno;
    }
    for (const int fd : {signal_, waker()}) {
        epoll_event asked{};
        asked.events = EPOLLIN;
        if (sys::epoll_ctl(outside_, EPOLL_CTL_ADD, fd, &asked) != 0) {
            return errno;
        }
    }
    return ring_.signal_to(signal_);
}

void uring::close_outside() noexcept {
    for (int* fd : {&outside_, &signal_}) {
        if (*fd >= 0) {
            close_handle(std::exchange(*fd, -1));
        }
    }
}

std::error_code uring::waitable(std::uintptr_t& handle) {
    int failed = make_ours();
    if (failed == 0 && outside_ < 0) {
        failed = open_outside();
        if (failed != 0) {
            close_outside();
        }
    }
    if (failed == 0 && watch_waker()) {
        ring_.send(true);
    }
    handle = static_cast<std::uintptr_t>(outside_);
    return system_error(failed);
}

// First the signal is taken back: what comes after that is signalled again, and what came before
// it shall have been seen.
void uring::take_signal() noexcept {
    do {
        for (const int fd : {signal_, waker()}) {
            std::uint64_t signals = 0;
            static_cast<void>(sys::read(fd, &signals, sizeof signals));
        }
    } while (ring_.should_ask() && ring_.send(true) >= 0 && ring_.tells());
}

bool uring::unsent() const noexcept {
    return !is_lost() &&
           (ring_.unsent() != 0 || undecided_ != nullptr || first_postponed_ != slot_table::none);
}

std::error_code uring::wait(time_point until, completions& finished) {
    if (const int failed = make_ours()) {
        return system_error(failed);
    }
    // Where closing is all that there is to do, nothing will come back from it. Asked first: what
    // follows may send it.
    const bool only_closes = core().pending == 0 && held() != 0;
    const bool all_asked = watch_waker();
    send_postponed();
    if (buffers_.is_open()) {
        buffers_.fill(*core().lent);
    }
    const bool looks_only = until == time_point::min();
    if (looks_only && ring_.unsent() == 0 && undecided_ == nullptr && !ring_.has_news() &&
        !ring_.should_ask()) {
        return {};
    }
    std::int64_t time = -1;
    unsigned least = 1;
    if (looks_only || ring_.has_news() || !all_asked || undecided_ != nullptr ||
        first_postponed_ != slot_table::none || (only_closes && held_ == 0)) {
        least = 0;
    } else if (until != time_point::max()) {
        time = nanoseconds_until(until);
        least = time > 0 ? 1 : 0;
    }
    const int came = ring_.wait(least, time);
    if (outside_ >= 0) {
        take_signal();
    }
    if (came == -EEXIST) {
        give_up(finished);
        return {};
    }
    const bool taken = ring_.unsent() == 0;
    const bool seen = reap(finished);
    // R83: what the kernel did not take is sent again after what there is was seen.
    const bool passing =
        came >= 0 || came == -ETIME || came == -EINTR || came == -EAGAIN || came == -EBUSY;
    if (passing && seen && undecided_ != nullptr) {
        decide(taken, finished);
    }
    return system_error(passing ? 0 : -came);
}

// ---- The end.

bool uring::is_forked() const noexcept { return forks_ != fork_count; }

// The loop's thread is gone, or another one ends the loop. The kernel ended that thread's requests
// with it; what was not sent comes back from the ring. Without the ring nothing touches the users'
// memory any more, whoever's thread still lives.
void uring::give_up(completions& finished) {
    lost_ = true;
    ring_.reap([&](completion came) { completed(came, finished); });
    while (const io_uring_sqe* unsent = ring_.take_back()) {
        if (unsent->opcode == IORING_OP_CLOSE) {
            close_handle(unsent->fd);
        } else if (unsent->opcode == IORING_OP_SEND) {
            if (uring_state* state = slots_.find(token::of(unsent->user_data))) {
                state->writing_at.undecided = false;
            }
        }
    }
    decide(!ring_.overflowed(), finished);
    undecided_ = nullptr;
    ring_.close();
    for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
        uring_state* state = slots_[slot].state;
        if (state == nullptr) {
            continue;
        }
        const bool accepts = state->kind.role == socket_role::listener;
        state->reading_at = {};
        state->writing_at = {};
        state->listed = false;
        for (operation_queue* queue : {&state->reading, &state->writing}) {
            while (operation* op = accepts ? nullptr : queue->front()) {
                core().leave_line(*op);
                queue->remove(*op);
                settle_aborted(*op, ECANCELED);
                finished.push(*op);
            }
        }
        release_idle(*state);
    }
}

uring::~uring() {
    close_outside();
    if (is_forked()) {
        ring_.abandon();
        return;
    }
    // R99: nobody's memory is in the kernel any more; what is left is the waker's request, which
    // ends before the descriptor that it names.
    for (int tries = 0; waker_watched_ && !is_lost() && tries < 100; ++tries) {
        if (io_uring_sqe* asked = tries == 0 ? request() : nullptr) {
            io_uring_prep_cancel64(asked, token::of_other(token::waker).word(), 0);
            asked->user_data = token::of_other(token::nobody).word();
        }
        if (const int came = ring_.wait(1, 10'000'000); came < 0 && came != -ETIME) {
            break;
        }
        ring_.reap([&](completion came) {
            waker_watched_ = waker_watched_ && (came.word != token::of_other(token::waker).word() ||
                                                (came.flags & IORING_CQE_F_MORE) != 0);
        });
    }
}

}  // namespace thole::detail
