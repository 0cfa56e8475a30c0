// SPDX-License-Identifier: BSL-1.0
// The life of a connection: its handler, then its end.
#include <utility>

#include "core/budget.hpp"
#include "core/server_core.hpp"
#include "core/task_tree.hpp"

namespace thole::detail {

namespace {

// Awaits a handler, and takes the exception that it leaves, where a task would throw it.
struct contained : child_awaiter<void> {
    explicit contained(void* frame) noexcept : child_awaiter<void>(frame) {}
    [[nodiscard]] promise_base& task() const noexcept { return child(); }
    [[nodiscard]] std::exception_ptr await_resume() noexcept {
        const std::exception_ptr* failed = child().failure();
        return failed != nullptr ? *failed : nullptr;
    }
};

// Whatever becomes of the frame: the loop may end.
struct leaver {
    hosted& one;
    ~leaver() {
        one.tell();
        one.of.left(one);
    }
};

void count(closed_counters& in, cause why) noexcept {
    std::uint64_t* const counters[] = {
        &in.ended, &in.ended,   &in.exceptions,  &in.idle,    &in.lifetime,
        &in.reset, &in.dropped, &in.last_resort, &in.drained, &in.aborted,
    };
    ++*counters[static_cast<std::size_t>(why)];
}

}  // namespace

void hosted::cancel(cause why) noexcept {
    if (running != nullptr) {
        note(why);
        cancel_task(*running, reason::cancelled);
    }
}

void hosted::abort(cause why) noexcept {
    note(why);
    cancel(why);
    unanswered = closing;
    socket_.abort();
    if (parting != nullptr) {
        parting->cancel();
    }
}

// What has arrived is still the result of its read, and then it goes on.
void hosted::let_go(cause why) noexcept {
    let_go_for = why;
    socket_.cancel_read();
}

bool hosted::begin() noexcept {
    const serve_options& options = of.options;
    if (options.idle.count() > 0 && !socket_.default_times({options.idle, options.idle})) {
        return false;
    }
    return options.lifetime.count() <= 0 || !life.arm(within(options.lifetime));
}

void hosted::ended(const std::exception_ptr& failure) noexcept {
    running = nullptr;
    closing = true;
    ++of.closing;
    life.disarm();
    if (failure) {
        note(cause::exception);
        if (of.options.failed != nullptr) {
            of.options.failed(of.options.context, *this, failure);
        }
    } else if (let_go_for != cause::none) {
        note(let_go_for);
    } else {
        note(was_idle() ? cause::idle : cause::ended);
    }
}

// By the time of our options, and none that the handler has set in its place.
bool hosted::was_idle() const noexcept {
    const socket_state* state = socket_.state();
    return state != nullptr && state->core != nullptr && state->has(mark::expired) &&
           state->core->times[state->times] ==
               tcp::transfer_times{of.options.idle, of.options.idle};
}

void hosted::parted(const tcp::close_report& report) noexcept {
    if (report.ended_by == tcp::close_end::reset && ends_by == cause::ended) {
        ends_by = cause::reset;
    }
    unanswered = report.ended_by == tcp::close_end::deadline ||
                 report.ended_by == tcp::close_end::limit ||
                 report.ended_by == tcp::close_end::cancelled;
}

// To those who count.
void hosted::tell() noexcept {
    of.closing -= closing ? 1 : 0;
    count(of.totals.closed, ends_by);
    if (of.draining) {
        drain_report& seen = of.drained;
        ++(ends_by == cause::drained   ? seen.idle
           : ends_by == cause::aborted ? seen.aborted
                                       : seen.finished);
        seen.unanswered += unanswered ? 1 : 0;
    }
}

task<> hosted::live(hosted& self) {
    const leaver last{self};
    server_core& of = self.of;
    if (!self.begin()) {
        ++of.totals.shed;
        self.socket_.abort();
        co_return;
    }
    void* frame = nullptr;
    std::exception_ptr failed =
        caught([&] { frame = task_access::release(of.handler.call(of.handler, self)); });
    if (frame != nullptr) {
        contained handler(frame);
        self.running = &handler.task();
        failed = co_await handler;
    }
    self.ended(failed);
    const deadline end = as_point(of.on, within(of.options.close_time));
    if (self.waiting() != 0) {
        const result<void> sent = co_await self.sent_.wait(end);
        static_cast<void>(sent);
    }
    if (self.ends_by == cause::last_resort) {
        self.socket_.close();  // it was idle: there is nothing to lose, and a descriptor to win
    } else if (self.socket_.is_open()) {
        auto parting = self.socket_.close_gracefully(end, of.options.closing);
        self.parting = &parting;
        const tcp::close_report report = co_await parting;
        self.parting = nullptr;
        self.parted(report);
    }
    if (!self.sent_.is_set()) {
        const result<void> written = co_await self.sent_.wait();  // R1: its buffer lies here
        static_cast<void>(written);
    }
}

}  // namespace thole::detail
