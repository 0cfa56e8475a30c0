// SPDX-License-Identifier: BSL-1.0
// The workload `post`, the same for every peer.
//   mode=single  from a handler: it posts 1000 closures and, after them, itself
//   mode=x1|x2   one or two other threads post n= in all, as fast as they can
//   mode=lone    one other thread posts one at a time to a loop that sleeps; latencies
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "bench.hpp"

namespace bench {

// As in a program, where it is a handler that posts (or spawns) inside run(): each turn does
// one(sum) a thousand times, which has ++sum run later on the loop, and posts the next turn.
// post(closure) has it run later on the loop; run() runs until nothing is left.
template <class Post, class One, class Run>
class turns_on_loop {
public:
    turns_on_loop(const arguments& a, Post& post, One& one)
        : post_(post), one_(one), left_(a.number("n", 2'000'000) / batch) {}
    void measure(result& r, Run& run) {
        pin(0);
        const long all = left_ * batch;
        const stopwatch watch;
        post_([this] { turn(); });
        run();
        watch.stop(r, static_cast<std::uint64_t>(all));
        if (sum_ != all) {
            die("a post was lost");
        }
    }

private:
    static constexpr long batch = 1000;

    void turn() {
        for (long i = 0; i < batch; ++i) {
            one_(sum_);
        }
        if (--left_ > 0) {
            post_([this] { turn(); });
        }
    }

    Post& post_;
    One& one_;
    long left_, sum_ = 0;
};

template <class Post, class One, class Run>
void measure_turns(const arguments& a, result& r, Post&& post, One&& one, Run&& run) {
    turns_on_loop<Post, One, Run>(a, post, one).measure(r, run);
}
// What is posted a thousand times is a closure too.
template <class Post, class Run>
void post_from_handlers(const arguments& a, result& r, Post&& post, Run&& run) {
    measure_turns(
        a, r, post, [&](long& sum) { post([&sum] { ++sum; }); }, run);
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
