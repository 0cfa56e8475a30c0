// SPDX-License-Identifier: BSL-1.0
// The end of a server's service, in order.
#include <algorithm>

#include "core/budget.hpp"
#include "core/loop_core.hpp"
#include "core/server_core.hpp"

namespace thole::detail {

namespace {

// While a drain waits for the busy, each turn looks who has become idle, so that a read is
// cancelled before its kernel was asked: later the next request may have come, again and again. The
// turns tell while a timer is set; another loop that calls poll() has that timer alone.
constexpr auto sweep_time = std::chrono::milliseconds(5);

drain_report since(const drain_report& before, const drain_report& now) {
    return {now.idle - before.idle, now.finished - before.finished, now.aborted - before.aborted,
            now.unanswered - before.unanswered};
}

}  // namespace

void server_core::begin_drain() noexcept {
    if (draining) {
        return;
    }
    draining = true;
    if (options.at_drain == waiting_clients::refuse) {
        stop_accepting();
    } else {
        for (acceptor* door = doors; door != nullptr; door = door->next) {
            door->door.cancel();  // and asks again, with little patience
        }
    }
    sweep();
}

// Until none is left; what is idle goes.
void server_core::sweep() noexcept {
    for (hosted* one = first; one != nullptr; one = one->next) {
        if (one->closing) {
            continue;
        }
        if (one->is_quiet()) {
            // What has come to a new one is read after its first wait.
            if (!std::exchange(one->fresh, false)) {
                one->let_go(cause::drained);
            }
        } else {
            one->let_go_for = cause::none;
        }
    }
    if (!draining || first == nullptr) {
        sweeps.disarm();
        turns.leave();
    } else if (!sweeps.armed()) {
        static_cast<void>(sweeps.arm(within(sweep_time)));
        turns.enter(on.core()->turns);
    }
}

// The last resort: some of the idle, the oldest first. Where nobody waits any more the last time
// was enough.
void server_core::find_room() noexcept {
    const back_off* line = on.core()->lacking.get();
    if (!std::exchange(lost_one, false) && (line == nullptr || line->empty())) {
        return;
    }
    std::size_t idle = 0;
    for (const hosted* one = first; one != nullptr; one = one->next) {
        idle += !one->closing && one->is_quiet() ? 1U : 0U;
    }
    const std::size_t share = idle * std::min(options.last_resort, 100U) / 100;
    std::size_t left = idle != 0 ? std::max<std::size_t>(share, 1) : 0;
    for (hosted* one = first; left != 0; one = one->next) {
        if (!one->closing && one->is_quiet()) {
            one->let_go(cause::last_resort);
            --left;
        }
    }
    relieved = on.now();
}

void server_core::abort_all() noexcept {
    stop_accepting();
    for (hosted* one = first; one != nullptr; one = one->next) {
        one->abort(cause::aborted);
    }
}

task<drain_report> server_core::drain(reference of, deadline until) {
    if (of.get() == nullptr) {
        co_return drain_report{};
    }
    struct one_more {
        server_core& core;
        ~one_more() { --core.drains; }
    };
    server_core& core = *of.get();
    ++core.drains;
    const one_more counted{core};
    const drain_report before = core.drained;
    const deadline end = as_point(core.on, until);
    core.begin_drain();
    const result<void> gone = co_await core.empty.wait(end);
    if (gone.error() == errc::deadline_reached) {
        core.abort_all();
        const result<void> ended = co_await core.empty.wait();
        static_cast<void>(ended);
    }
    co_return since(before, core.drained);
}

}  // namespace thole::detail
