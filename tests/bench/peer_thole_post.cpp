// SPDX-License-Identifier: BSL-1.0
// post mode=single|x1|x2|lone (posts.hpp); spawn n=: tasks that end at once, a thousand a turn
#include "peer_thole.hpp"
#include "posts.hpp"

namespace bench::with_thole {
namespace {

using thole::task;

// Keeps run() going until it is released.
class keep_running {
public:
    explicit keep_running(thole::loop& on)
        : timer_(
              on, [](void*) {}, nullptr) {
        static_cast<void>(timer_.arm(thole::unlimited));
    }
    void release() { timer_.disarm(); }

private:
    thole::timer timer_;
};

void post_across(thole::loop& on, const arguments& given, result& r) {
    const post_plan plan(given);
    keep_running kept(on);
    long sum = 0;
    const auto arrive = [&, last = plan.total] {
        if (++sum == last) {
            kept.release();
        }
    };
    post_from_threads(
        plan, r, [&](std::size_t, long) { on.post([&arrive] { arrive(); }); },
        [&] { check(on.run()); });
}

void post_to_sleeper(thole::loop& on, const arguments& given, result& r) {
    lone_posts all(given);
    keep_running kept(on);
    const auto arrive = [&] {
        if (all.arrived()) {
            kept.release();
        }
    };
    all.measure(
        r, [&] { on.post([&arrive] { arrive(); }); }, [&] { check(on.run()); });
}

task<> count_one(long& sum) {
    ++sum;
    co_return;
}

}  // namespace

void post(const arguments& given, result& r) {
    const setup how(given);
    const std::string mode = given.text("mode", "single");
    r.workload = "post_" + mode;
    thole::loop on(how.options);
    check(on);
    if (mode == "single") {
        post_from_handlers(
            given, r, [&](auto act) { on.post(act); }, [&] { check(on.run()); });
    } else if (mode == "lone") {
        post_to_sleeper(on, given, r);
    } else {
        post_across(on, given, r);
    }
}

void spawn(const arguments& given, result& r) {
    const setup how(given);
    thole::loop on(how.options);
    check(on);
    measure_turns(
        given, r, [&](auto act) { on.post(act); }, [&](long& sum) { on.spawn(count_one(sum)); },
        [&] { check(on.run()); });
}

}  // namespace bench::with_thole
