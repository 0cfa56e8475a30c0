// SPDX-License-Identifier: BSL-1.0
// The loop's turns: run what is ready, look at the clock, ask the kernel.
#include <algorithm>
#include <exception>
#include <utility>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole::detail {

unsigned fork_count = 0;

loop_core*& current_loop() noexcept {
    thread_local loop_core* current = nullptr;
    return current;
}

run_queue& loopless() noexcept {
    thread_local run_queue queue;
    return queue;
}

time_point loop_core::clock() const noexcept { return network->now(); }

bool loop_core::has_work() const noexcept {
    return pending > 0 || !ready.empty() || !mail.empty() || network->held() > 0;
}

void loop_core::enqueue_outside(runnable& item) noexcept {
    if (mail.push(item) && network != nullptr) {
        network->wake();
    }
}

void loop_core::stop() noexcept {
    stopped.store(true, std::memory_order_seq_cst);
    if (mail.rouse() && network != nullptr) {
        network->wake();
    }
}

std::error_code loop_core::enter() noexcept {
    if (!fit()) {
        return usable();
    }
    const std::thread::id self = std::this_thread::get_id();
    if (thread == std::thread::id{}) {
        thread = self;
    }
    if (thread != self) {
        return {raw_of(std::errc::operation_not_permitted), system_category()};
    }
    if (running) {
        return errc::operation_in_progress;
    }
    return {};
}

// While it lives the loop runs on this thread; an exception may end it at any point (R118).
class loop_core::run_scope {
public:
    explicit run_scope(loop_core& core) noexcept
        : core_(core), outer_(std::exchange(current_loop(), &core)) {
        core_.running = true;
        core_.runner.store(this_thread(), std::memory_order_relaxed);
        if (core_.watched) {
            core_.mail.awake();
        }
        core_.ready.append(loopless());
    }
    run_scope(const run_scope&) = delete;
    run_scope& operator=(const run_scope&) = delete;
    ~run_scope() {
        core_.running = false;
        core_.runner.store(nullptr, std::memory_order_relaxed);
        core_.budget = 0;
        core_.expect_mail();
        current_loop() = outer_;
    }

private:
    loop_core& core_;
    loop_core* outer_;
};

// False: the run is over, by stop() or by the end of the awaited task.
bool loop_core::dispatch(const run_limits& limits, int most, std::size_t& handled) {
    const auto over = [this, awaited = limits.awaited] {
        return stopped.load(std::memory_order_relaxed) || (awaited != nullptr && awaited->ended());
    };
    int left = most;
    for (; left > 0 && !expired.empty() && !over(); --left) {  // only settle_timers() adds to them
        budget = inline_budget;
        call(expired.pop());
    }
    for (; left > 0 && !over(); --left) {
        runnable* item = ready.pop();
        if (item == nullptr) {
            break;
        }
        budget = inline_budget;
        item->act(*item, turn::run);
    }
    handled += static_cast<std::size_t>(most - left);
    return !over();
}

void loop_core::settle_armed_timers() noexcept {
    if (turns != nullptr) {
        loop_watch::tell(turns);
    }
    timer_list due;
    wheel.settle(clock().time_since_epoch().count(), due);
    while (!due.empty()) {
        timer_node& node = due.pop();
        if ((node.due & 1) != 0) {
            node.due = expired_mark;
            expired.push(node);
            continue;
        }
        auto& op = static_cast<operation&>(static_cast<operation_fields&>(node));
        if (op.what == verb::sleep) {  // its effect; a deadline from elsewhere (shield) is none
            op.why = reason::deadline;
            settle_done(op);
            finish_local(static_cast<local_operation&>(op));
        } else {
            cancel(op, reason::deadline);
        }
    }
}

// A loop without a network still tells the callbacks that were started on it, and runs nothing
// else.
std::error_code loop_core::refuse_run(const std::error_code& refused, std::size_t& handled) {
    while (runnable* item = running ? nullptr : refusals.pop()) {
        ++handled;
        item->act(*item, turn::run);
    }
    return refused;
}

std::error_code loop_core::run(const run_limits& limits, std::size_t& handled) {
    if (const std::error_code refused = enter()) {
        return refuse_run(refused, handled);
    }
    const run_scope scope(*this);
    time_point end = time_point::max();
    if (limits.until.kind() == deadline::form::absolute) {
        end = time_point(std::chrono::nanoseconds(limits.until.count()));
    } else if (limits.until.kind() == deadline::form::relative) {
        end = clock() + std::chrono::nanoseconds(limits.until.count());
    }
    for (bool last = false;; last = end != time_point::max() && clock() >= end) {
        mail.drain(ready);
        if (!dispatch(limits, turn_budget, handled) || last) {
            return {};
        }
        settle_timers();
        time_point until = time_point::min();
        if (ready.empty() && expired.empty()) {
            if (!has_work()) {
                return {};
            }
            until = std::min(end, time_point(std::chrono::nanoseconds(wheel.next())));
        }
        if (const std::error_code failed = pause(until)) {
            return failed;
        }
        // A timer may have ended the wait: what is due needs no second one.
        if (ready.empty()) {
            settle_timers();
        }
    }
}

// What is ready when it is called: a mark at the end of the queue keeps those who queue themselves
// again from running for ever.
std::error_code loop_core::poll(std::size_t& handled) {
    if (const std::error_code refused = enter()) {
        return refuse_run(refused, handled);
    }
    const run_scope scope(*this);
    if (stopped.load(std::memory_order_relaxed)) {
        return {};
    }
    const std::error_code failed = pause(time_point::min());
    settle_timers();
    mail.drain(ready);
    if (poll_mark.act == nullptr) {
        poll_mark.act = [](runnable& mark, turn) { mark.act = nullptr; };
        ready.push(poll_mark);
    }
    while (poll_mark.act != nullptr && dispatch({}, 1, handled)) {
    }
    handled -= poll_mark.act == nullptr ? 1 : 0;  // the mark itself
    return failed;
}

}  // namespace thole::detail
