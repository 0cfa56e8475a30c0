// SPDX-License-Identifier: BSL-1.0
// timers (timers.hpp). style=callback: thole::timer. style=coroutine: tasks that sleep, so to arm
// one is to spawn it, to cancel one is to run it to its end, and none is moved.
#include <memory>

#include "peer_thole.hpp"
#include "timers.hpp"

namespace bench::with_thole {
namespace {

using thole::task;
using thole::time_point;

class timed_loop {
public:
    // The drivers make the timers with their number alone.
    static inline thole::loop_options options;

    [[nodiscard]] time_point after(std::uint32_t ms) const {
        return begun_ + std::chrono::milliseconds(ms);
    }
    void note(time_point due) {
        ++fired;
        early += on.now() < due ? 1 : 0;
    }
    void settle() { check(on.poll()); }
    void run() { check(on.run()); }

    long fired = 0, early = 0;

protected:
    thole::loop on{options};

private:
    const time_point begun_ = on.now();
};

// One block, as in a struct of the user's: timers can be neither moved nor made by default.
class lone_timers : public timed_loop {
public:
    explicit lone_timers(std::size_t n)
        : all_(std::allocator<thole::timer>().allocate(n)), size_(n) {
        for (std::size_t i = 0; i < n; ++i) {
            std::construct_at(all_ + i, on, &fire, all_ + i);
        }
        firing_ = this;
    }
    lone_timers(const lone_timers&) = delete;
    lone_timers& operator=(const lone_timers&) = delete;
    ~lone_timers() {
        std::destroy_n(all_, size_);
        std::allocator<thole::timer>().deallocate(all_, size_);
    }
    void arm(std::size_t i, std::uint32_t ms) {
        if (ms < never_in_a_run) {  // else it would be a miss of the cache that other peers lack
            due[i] = ms;
        }
        static_cast<void>(all_[i].arm(thole::at(after(ms))));
    }
    void rearm(std::size_t i, std::uint32_t ms) { arm(i, ms); }
    void cancel(std::size_t i) { all_[i].disarm(); }

    static constexpr std::uint32_t never_in_a_run = 600'000;
    // For the count of early ones: no part of the timers, and there before they are.
    static inline std::vector<std::uint32_t> due;

private:
    static void fire(void* timer) {
        const auto i = static_cast<thole::timer*>(timer) - firing_->all_;
        firing_->note(firing_->after(due[static_cast<std::size_t>(i)]));
    }
    static inline lone_timers* firing_ = nullptr;

    thole::timer* all_;
    std::size_t size_;
};

class sleepers : public timed_loop {
public:
    explicit sleepers(std::size_t n) : all_(n) {}
    void arm(std::size_t i, std::uint32_t ms) { all_[i] = on.spawn(sleep(*this, after(ms))); }
    void rearm(std::size_t i, std::uint32_t ms) {
        cancel(i);
        arm(i, ms);
    }
    void cancel(std::size_t i) { all_[i].cancel(); }

private:
    static task<> sleep(sleepers& of, time_point due) {
        if (auto slept = co_await thole::sleep_until(due)) {
            of.note(due);
        }
    }
    std::vector<thole::spawned<>> all_;
};

}  // namespace

void timers(const arguments& given, result& r) {
    const setup how(given);
    timed_loop::options = how.options;
    check(thole::loop(how.options));
    if (how.coroutines) {
        time_timers<sleepers>(given, r);
    } else {
        lone_timers::due.resize(static_cast<std::size_t>(
            std::max(given.number("n", 1'000'000), given.number("live", 1000))));
        time_timers<lone_timers>(given, r);
    }
}

}  // namespace bench::with_thole
