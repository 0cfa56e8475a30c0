// SPDX-License-Identifier: BSL-1.0
// R22, R129: returns from main while two threads are stuck for ever in the system's look-up, one of
// them for an operation that is pending on a loop with static storage. It must end, with 0.
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include <thole/thole.hpp>

#include "script.hpp"

namespace {

struct stuck_system {
    std::mutex mutex;
    std::condition_variable changed;
    int entered = 0;

    std::intptr_t enter() {
        std::unique_lock lock(mutex);
        ++entered;
        changed.notify_all();
        for (;;) {
            changed.wait(lock);
        }
    }
    void await(int count) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this, count] { return entered >= count; });
    }
};

int told = 0;
struct counted {
    void operator()(const thole::result<thole::endpoint_list>& end) const {
        told += end.error() == thole::errc::cancelled ? 1 : 100;
    }
};

}  // namespace

int main() {
    auto& system = *new stuck_system;  // outlives the threads
    for (const char* name : {"getaddrinfo", "GetAddrInfoW"}) {
        thole::script::on(name).forever().instead(
            [&system](thole::script::call&) { return system.enter(); });
    }
    static thole::callback<thole::resolve_op, counted> given_up{counted{}};
    static thole::callback<thole::resolve_op, counted> pending{counted{}};
    static thole::loop on;
    given_up.start(on, "one.example", 80);
    pending.start(on, "two.example", 80);
    system.await(2);
    given_up.cancel();
    if (!on.poll() || told != 1 || !pending.pending()) {
        std::fputs("the cancelled look-up was not told\n", stderr);
        return 1;
    }
    return 0;
}
