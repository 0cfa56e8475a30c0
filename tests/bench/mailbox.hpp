// SPDX-License-Identifier: BSL-1.0
// How the raw peers post: a bounded ring a posting thread, and a wake only when the loop said that
// it sleeps.
#pragma once

#include <immintrin.h>

#include <atomic>

#include "posts.hpp"

namespace bench {

struct item {
    void (*act)(void*);
    void* argument;
};

class mailbox {
public:
    // By the posting thread: waits while the ring is full.
    void put(const item& what) {
        const std::uint32_t at = tail_.load(std::memory_order_relaxed);
        while (at - seen_ >= size) {
            seen_ = head_.load(std::memory_order_acquire);
            if (at - seen_ >= size) {
                std::this_thread::yield();
            }
        }
        ring_[at % size] = what;
        tail_.store(at + 1, std::memory_order_seq_cst);
    }
    // By the loop. False: it was empty.
    bool drain() {
        const std::uint32_t begin = head_.load(std::memory_order_relaxed);
        const std::uint32_t end = tail_.load(std::memory_order_seq_cst);
        for (std::uint32_t at = begin; at != end; ++at) {
            const item& what = ring_[at % size];
            what.act(what.argument);
        }
        head_.store(end, std::memory_order_release);
        return begin != end;
    }

private:
    static constexpr std::uint32_t size = 65536;

    alignas(64) std::atomic<std::uint32_t> tail_{0};
    std::uint32_t seen_ = 0;  // the posting thread's last look at head_
    alignas(64) std::atomic<std::uint32_t> head_{0};
    alignas(64) std::vector<item> ring_ = std::vector<item>(size);
};

// Sleeper: sleep() until woken, by the loop; wake(), by a posting thread.
template <class Sleeper>
class inbox {
public:
    inbox(Sleeper& sleeper, std::size_t producers) : sleeper_(sleeper), boxes_(producers) {}

    void put(std::size_t producer, const item& what) {
        boxes_[producer].put(what);
        if (asleep_.load(std::memory_order_seq_cst) && asleep_.exchange(false)) {
            sleeper_.wake();
        }
    }
    // linger: between looks, the rings' lines are left to their producers for about a microsecond.
    template <class Done>
    void run(bool linger, Done&& done) {
        while (!done()) {
            bool more = drain();
            for (int i = 0; linger && i < 4 && !more; ++i) {
                pause();
                more = drain();
            }
            if (more) {
                if (linger) {
                    pause();
                }
                continue;
            }
            asleep_.store(true, std::memory_order_seq_cst);
            if (!drain() && !done()) {
                sleeper_.sleep();
            }
            asleep_.store(false);
        }
    }

private:
    static void pause() {
        for (int i = 0; i < 32; ++i) {
            _mm_pause();
        }
    }
    bool drain() {
        bool any = false;
        for (mailbox& box : boxes_) {
            any |= box.drain();
        }
        return any;
    }

    Sleeper& sleeper_;
    std::vector<mailbox> boxes_;
    alignas(64) std::atomic<bool> asleep_{false};
};

template <class Sleeper>
void post_across(Sleeper& sleeper, const arguments& a, result& r) {
    const post_plan plan(a);
    inbox<Sleeper> in(sleeper, plan.producers);
    long sum = 0;
    const item one{[](void* counter) { ++*static_cast<long*>(counter); }, &sum};
    post_from_threads(
        plan, r, [&](std::size_t producer, long /*unused*/) { in.put(producer, one); },
        [&] { in.run(true, [&] { return sum == plan.total; }); });
}

struct lone_state {
    lone_posts posts;
    bool done = false;
};

template <class Sleeper>
void post_lone(Sleeper& sleeper, const arguments& a, result& r) {
    lone_state state{lone_posts(a)};
    inbox<Sleeper> in(sleeper, 1);
    const item one{[](void* to) {
                       lone_state& s = *static_cast<lone_state*>(to);
                       s.done = s.posts.arrived();
                   },
                   &state};
    state.posts.measure(
        r, [&] { in.put(0, one); }, [&] { in.run(false, [&] { return state.done; }); });
}

// mode=x1|x2|lone
template <class Sleeper>
void post_to_inbox(Sleeper& sleeper, const arguments& a, result& r) {
    if (a.text("mode", "x1") == "lone") {
        post_lone(sleeper, a, r);
    } else {
        post_across(sleeper, a, r);
    }
}

}  // namespace bench
