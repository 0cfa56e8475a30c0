// SPDX-License-Identifier: BSL-1.0
// How users of a loop without a post() write one: a queue behind a mutex, and one wake-up for all
// that is put into it until the loop looks.
#pragma once

#include <mutex>

#include "posts.hpp"

namespace bench {

class locked_queue {
public:
    struct item {
        void (*act)(void*);
        void* argument;
    };

    // True: the loop must be woken.
    bool put(const item& what) {
        const std::lock_guard hold(mutex_);
        waiting_.push_back(what);
        return waiting_.size() == 1;
    }
    void run_all() {
        {
            const std::lock_guard hold(mutex_);
            running_.swap(waiting_);
        }
        for (const item& what : running_) {
            what.act(what.argument);
        }
        running_.clear();
    }

private:
    std::mutex mutex_;
    std::vector<item> waiting_, running_;
};

// mode=x1|x2|lone. Loop: wake() from any thread; run(queue, done) calls queue.run_all() after each
// wake-up and returns once done() is true.
template <class Loop>
void post_to_queue(Loop& loop, const arguments& a, result& r) {
    locked_queue queue;
    const auto put = [&](const locked_queue::item& what) {
        if (queue.put(what)) {
            loop.wake();
        }
    };
    if (a.text("mode", "x1") == "lone") {
        struct {
            lone_posts posts;
            bool done = false;
        } state{lone_posts(a)};
        using type = decltype(state);
        const locked_queue::item one{[](void* to) {
                                         type& s = *static_cast<type*>(to);
                                         s.done = s.posts.arrived();
                                     },
                                     &state};
        state.posts.measure(
            r, [&] { put(one); }, [&] { loop.run(queue, [&] { return state.done; }); });
        return;
    }
    const post_plan plan(a);
    long sum = 0;
    const locked_queue::item one{[](void* counter) { ++*static_cast<long*>(counter); }, &sum};
    post_from_threads(
        plan, r, [&](std::size_t /*unused*/, long /*unused*/) { put(one); },
        [&] { loop.run(queue, [&] { return sum == plan.total; }); });
}

}  // namespace bench
