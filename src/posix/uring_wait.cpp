// SPDX-License-Identifier: BSL-1.0
// Waiting: what goes to the kernel, what comes back, what wakes, and how it ends.
#include <utility>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"
#include "posix/handle.hpp"
#include "posix/uring.hpp"

namespace thole::detail {

// ---- Completions.

void uring::completed(const io_uring_cqe& came, completions& finished) {
    const token about = token::of(came.user_data);
    if (about.kind == token_kind::none) {
        return;
    }
    if (about.kind == token_kind::waker) {
        waker_watched_ = (came.flags & IORING_CQE_F_MORE) != 0;  // R85, R100
        return;
    }
    const slot_table::entry& place = slots_[about.slot];
    const bool writing = about.kind == token_kind::writing;
    const std::uint32_t number = writing ? place.writing : place.reading;
    if (place.state == nullptr || (number & token::number_mask) != about.number) {
        return;  // R90
    }
    uring_state& state = *place.state;
    if (about.kind == token_kind::accept) {
        accepted(static_cast<uring_listener&>(state), came, finished);
        return;
    }
    completed(state, writing, came, finished);
}

void uring::completed(uring_state& state, bool writing, const io_uring_cqe& came,
                      completions& finished) {
    operation_queue& queue = writing ? state.writing : state.reading;
    operation& op = *queue.front();
    direction& at = direction_of(state, writing);
    at.sent = false;
    at.cancel_postponed = false;
    step next = step::done;
    if (op.what == verb::receive) {
        next = finish_receive(op, state, came);
    } else if (!writing) {
        next = finish_read(op, state, came);
    } else if (op.what == verb::connect) {
        next = finish_connect(op, state, came.res);
    } else {
        next = finish_write(op, state, came.res);
    }
    if (next != step::done) {
        if (next == step::again) {
            ask(op);
        }
        return;
    }
    queue.remove_alone();
    finished.push(op);
    release_idle(state);
}

void uring::reap(completions& finished) {
    ring_.reap([&](const io_uring_cqe& came) { completed(came, finished); });
    while (ring_.overflowed()) {  // R84
        if (ring_.send(true) < 0) {
            return;
        }
        ring_.reap([&](const io_uring_cqe& came) { completed(came, finished); });
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
    asked->user_data = token{token_kind::waker, 0, 0}.word();
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
    return !is_lost() && (ring_.unsent() != 0 || first_postponed_ != slot_table::none);
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
    if (looks_only && ring_.unsent() == 0 && !ring_.has_news() && !ring_.should_ask()) {
        return {};
    }
    std::int64_t time = -1;
    unsigned least = 1;
    if (looks_only || ring_.has_news() || !all_asked || first_postponed_ != slot_table::none ||
        (only_closes && held_ == 0)) {
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
    reap(finished);
    // R83: what the kernel did not take is sent again after what there is was seen.
    const bool passing =
        came >= 0 || came == -ETIME || came == -EINTR || came == -EAGAIN || came == -EBUSY;
    return system_error(passing ? 0 : -came);
}

// ---- The end.

bool uring::is_forked() const noexcept { return forks_ != fork_count; }

// The loop's thread is gone, or another one ends the loop. The kernel ended that thread's requests
// with it; what was not sent comes back from the ring. Without the ring nothing touches the users'
// memory any more, whoever's thread still lives.
void uring::give_up(completions& finished) {
    lost_ = true;
    ring_.reap([&](const io_uring_cqe& came) { completed(came, finished); });
    while (const io_uring_sqe* unsent = ring_.take_back()) {
        if (unsent->opcode == IORING_OP_CLOSE) {
            close_handle(unsent->fd);
        }
    }
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
                if (op->starved) {
                    core().lent->leave_line(*op);
                }
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
            io_uring_prep_cancel64(asked, token{token_kind::waker, 0, 0}.word(), 0);
        }
        if (const int came = ring_.wait(1, 10'000'000); came < 0 && came != -ETIME) {
            break;
        }
        ring_.reap([&](const io_uring_cqe& came) {
            waker_watched_ =
                waker_watched_ && (token::of(came.user_data).kind != token_kind::waker ||
                                   (came.flags & IORING_CQE_F_MORE) != 0);
        });
    }
}

}  // namespace thole::detail
