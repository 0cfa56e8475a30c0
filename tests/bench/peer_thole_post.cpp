// SPDX-License-Identifier: BSL-1.0
// post mode=single|x1|x2|lone (posts.hpp); spawn n=: tasks that end at once, a thousand a turn
#include "peer_thole.hpp"
#include "posts.hpp"

namespace bench::with_thole {
namespace {

using thole::posted;
using thole::task;

constexpr long batch = 1000;

// Does `work` in one turn after the other, `rounds` times.
template <class Work>
class repeated {
public:
    repeated(thole::loop& on, long rounds, Work work) : on_(on), left_(rounds), work_(work) {
        on_.post(again_);
    }

private:
    struct turn {
        repeated* self;
        void operator()() const {
            self->work_();
            if (--self->left_ > 0) {
                self->on_.post(self->again_);
            }
        }
    };
    thole::loop& on_;
    long left_;
    Work work_;
    posted<turn> again_{{this}};
};

// As in a program, where it is a handler that posts: inside run().
void post_inside(thole::loop& on, const arguments& given, result& r) {
    pin(0);
    long sum = 0;
    const stopwatch watch;
    const repeated all(on, given.number("n", 2'000'000) / batch, [&] {
        for (long i = 0; i < batch; ++i) {
            on.post([&sum] { ++sum; });
        }
    });
    check(on.run());
    watch.stop(r, static_cast<std::uint64_t>(sum));
}

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
        post_inside(on, given, r);
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
    long sum = 0;
    const stopwatch watch;
    const repeated all(on, given.number("n", 2'000'000) / batch, [&] {
        for (long i = 0; i < batch; ++i) {
            on.spawn(count_one(sum));
        }
    });
    check(on.run());
    watch.stop(r, static_cast<std::uint64_t>(sum));
}

}  // namespace bench::with_thole
