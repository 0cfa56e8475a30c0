// SPDX-License-Identifier: BSL-1.0
// Console events: the system calls a handler on a thread of its own. Here the test does.
#include "rig.hpp"

#include <atomic>
#include <thread>

#include "win/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;
using script::calls;

// What a set gave the system. The real handler stays out of it.
class console {
public:
    console() {
        script::on("SetConsoleCtrlHandler").forever().instead([this](call& asked) {
            asked.option != FALSE ? ++added_ : ++removed_;
            handler_ = reinterpret_cast<PHANDLER_ROUTINE>(asked.out);
            return std::intptr_t{TRUE};
        });
        script::on("Sleep").forever().instead([this](call& asked) {
            forever_ = asked.code == INFINITE;
            return std::intptr_t{0};
        });
    }
    // On a thread of its own, as the system does; what the handler gave.
    BOOL happens(DWORD event) const {
        BOOL taken = FALSE;
        std::thread([&] { taken = handler_(event); }).join();
        return taken;
    }
    [[nodiscard]] int added() const { return added_; }
    [[nodiscard]] int removed() const { return removed_; }
    [[nodiscard]] bool slept_for_ever() const { return forever_; }

private:
    PHANDLER_ROUTINE handler_ = nullptr;
    int added_ = 0;
    int removed_ = 0;
    std::atomic<bool> forever_{false};
};

task<result<signal_kind>> next_of(signal_set& of, deadline until) {
    const auto which = co_await of.next(until);
    co_return which;
}

task<> woken_by(const console& at, signal_set& signals, DWORD event, signal_kind as) {
    std::thread later([&] {
        std::this_thread::sleep_for(5ms);
        CHECK(at.happens(event) == TRUE);
    });
    const auto which = co_await signals.next(within(30s));
    later.join();
    CHECK(which == as);
}

}  // namespace

THOLE_TEST("R130 console events wake the loop, and the program goes on", "[scripted]") {
    rig in(backend_kind::iocp);
    const console at;
    {
        auto signals = signal_set::open(
            in.on, {signal_kind::interrupt, signal_kind::control_break, signal_kind::terminate});
        REQUIRE(signals.error() == std::error_code{});
        CHECK(at.added() == 1);
        in.run(woken_by(at, *signals, CTRL_C_EVENT, signal_kind::interrupt));
        in.run(woken_by(at, *signals, CTRL_BREAK_EVENT, signal_kind::control_break));
        CHECK_FALSE(at.slept_for_ever());
        // The system ends the program when the handler returns from these.
        in.run(woken_by(at, *signals, CTRL_CLOSE_EVENT, signal_kind::terminate));
        CHECK(at.slept_for_ever());
        in.run(woken_by(at, *signals, CTRL_SHUTDOWN_EVENT, signal_kind::terminate));
        CHECK(at.removed() == 0);
    }
    CHECK(at.removed() == 1);
}

THOLE_TEST("R130 console events that no set wants are the system's", "[scripted]") {
    rig in(backend_kind::iocp);
    const console at;
    auto signals = signal_set::open(in.on, {signal_kind::interrupt});
    REQUIRE(signals.error() == std::error_code{});
    CHECK(at.happens(CTRL_BREAK_EVENT) == FALSE);
    CHECK(at.happens(CTRL_LOGOFF_EVENT) == FALSE);
    CHECK_FALSE(at.slept_for_ever());
    auto other = signal_set::open(in.on, {signal_kind::control_break});
    CHECK(at.added() == 1);
    CHECK(at.happens(CTRL_BREAK_EVENT) == TRUE);
    signals->close();
    CHECK(at.happens(CTRL_C_EVENT) == FALSE);
    CHECK(at.removed() == 0);
    const auto told = in.run(next_of(*other, within(30s)));
    CHECK(told == signal_kind::control_break);
}

THOLE_TEST("a console that takes no handler", "[scripted]") {
    rig in(backend_kind::iocp);
    script::on("SetConsoleCtrlHandler").gives(FALSE, ERROR_NOT_ENOUGH_MEMORY);
    const auto refused = signal_set::open(in.on, {signal_kind::interrupt});
    CHECK(refused.error() == std::errc::not_enough_memory);
    const auto made = signal_set::open(in.on, {signal_kind::interrupt});
    CHECK(made.error() == std::error_code{});
}
