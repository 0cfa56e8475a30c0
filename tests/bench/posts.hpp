// SPDX-License-Identifier: BSL-1.0
// The workload `post`, the same for every peer.
//   mode=single  the loop's own thread: batches of 1000 posted, then run
//   mode=x1|x2   one or two other threads post n= in all, as fast as they can
//   mode=lone    one other thread posts one at a time to a loop that sleeps; latencies
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "bench.hpp"

namespace bench {

// post(sum) has ++sum run later on the loop, run() runs what was posted.
template <class Post, class Run>
void post_from_own_thread(const arguments& a, result& r, Post&& post, Run&& run) {
    const long n = a.number("n", 2'000'000) / 1000;
    pin(0);
    long sum = 0;
    const stopwatch watch;
    for (long k = 0; k < n; ++k) {
        for (int i = 0; i < 1000; ++i) {
            post(sum);
        }
        run();
    }
    if (sum != n * 1000) {
        die("a post was lost");
    }
    watch.stop(r, static_cast<std::uint64_t>(sum));
}

struct post_plan {
    std::size_t producers;
    long each, total;

    explicit post_plan(const arguments& a) : producers(a.text("mode", "x1") == "x2" ? 2 : 1) {
        each = a.number("n", 2'000'000) / static_cast<long>(producers);
        total = each * static_cast<long>(producers);
    }
};

// post(producer, number) on each producer's thread, number = 0 … each - 1; run() on this one,
// until all are in.
template <class Post, class Run>
void post_from_threads(const post_plan& plan, result& r, Post&& post, Run&& run) {
    const stopwatch watch;
    std::vector<std::thread> threads;
    for (std::size_t p = 0; p < plan.producers; ++p) {
        threads.emplace_back([&, p] {
            for (long i = 0; i < plan.each; ++i) {
                post(p, i);
            }
        });
    }
    run();
    for (std::thread& t : threads) {
        t.join();
    }
    watch.stop(r, static_cast<std::uint64_t>(plan.total));
}

// One post in flight; the next one when the loop has had time to fall asleep.
class lone_posts {
public:
    explicit lone_posts(const arguments& a) : count_(a.number("n", 2000)) { pin(0); }
    lone_posts(const lone_posts&) = delete;
    lone_posts& operator=(const lone_posts&) = delete;

    // What a post does on the loop. True: it was the last one.
    bool arrived() {
        taken_.add(now_ns() - begun_.load(std::memory_order_relaxed));
        const long seen = seen_.load(std::memory_order_relaxed) + 1;
        seen_.store(seen, std::memory_order_release);
        return seen == count_;
    }
    // post() on the other thread; run() on this one, until arrived() was true.
    template <class Post, class Run>
    void measure(result& r, Post&& post, Run&& run) {
        const stopwatch watch;
        std::thread other([&] {
            pin(1);
            for (long i = 0; i < count_; ++i) {
                do {
                    usleep(150);
                } while (seen_.load(std::memory_order_acquire) != i);
                begun_.store(now_ns(), std::memory_order_relaxed);
                post();
            }
        });
        run();
        other.join();
        watch.stop(r, static_cast<std::uint64_t>(count_));
        r.set(taken_);
    }

private:
    long count_;
    std::atomic<long> seen_{0};
    std::atomic<std::uint64_t> begun_{0};
    latencies taken_;
};

}  // namespace bench
