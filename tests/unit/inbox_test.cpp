// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/inbox.hpp"

namespace {

using thole::detail::inbox;
using thole::detail::run_queue;
using thole::detail::runnable;

THOLE_TEST("the inbox gives what was posted, the oldest first", "[inbox]") {
    inbox mail;
    run_queue ready;
    std::array<runnable, 4> items;
    CHECK(mail.empty());
    mail.drain(ready);
    CHECK(ready.empty());
    ready.push(items[0]);  // stays before what comes
    for (std::size_t i = 1; i < items.size(); ++i) {
        CHECK_FALSE(mail.push(items[i]));
        CHECK_FALSE(mail.empty());
    }
    mail.drain(ready);
    CHECK(mail.empty());
    for (runnable& item : items) {
        CHECK(ready.pop() == &item);
    }
    CHECK(ready.empty());
}

THOLE_TEST("only the first push to a sleeper must wake it", "[inbox]") {
    inbox mail;
    run_queue ready;
    std::array<runnable, 3> items;
    REQUIRE(mail.fall_asleep());
    CHECK(mail.empty());
    CHECK(mail.push(items[0]));
    CHECK_FALSE(mail.push(items[1]));
    CHECK_FALSE(mail.push(items[2]));
    CHECK_FALSE(mail.rouse());  // it is awake already
    mail.awake();               // loses nothing
    CHECK_FALSE(mail.empty());
    mail.drain(ready);
    CHECK(ready.pop() == &items[0]);
    CHECK(ready.pop() == &items[1]);
    CHECK(ready.pop() == &items[2]);
}

THOLE_TEST("nobody falls asleep over something that has come", "[inbox]") {
    inbox mail;
    run_queue ready;
    runnable item;
    CHECK_FALSE(mail.push(item));
    CHECK_FALSE(mail.fall_asleep());
    mail.drain(ready);
    CHECK(ready.pop() == &item);
    CHECK(mail.fall_asleep());
    mail.awake();
    CHECK_FALSE(mail.push(item));  // awake: nobody is to be woken
}

THOLE_TEST("rouse without an item: once a sleep", "[inbox]") {
    inbox mail;
    CHECK_FALSE(mail.rouse());
    REQUIRE(mail.fall_asleep());
    CHECK(mail.rouse());
    CHECK_FALSE(mail.rouse());
    CHECK(mail.empty());
    CHECK(mail.fall_asleep());
    mail.awake();
    CHECK_FALSE(mail.rouse());
}

THOLE_TEST("roused, then posted to: the item alone comes out", "[inbox]") {
    inbox mail;
    run_queue ready;
    std::array<runnable, 2> items;
    for (int round = 0; round < 3; ++round) {
        REQUIRE(mail.fall_asleep());
        CHECK(mail.rouse());
        CHECK(mail.empty());
        CHECK_FALSE(mail.push(items[0]));  // it was woken
        CHECK_FALSE(mail.empty());
        mail.awake();
        CHECK_FALSE(mail.push(items[1]));
        mail.drain(ready);
        CHECK(ready.pop() == &items[0]);
        CHECK(ready.pop() == &items[1]);
        CHECK(ready.empty());
        CHECK(mail.empty());
    }
}

// A consumer that really sleeps, and has no safety timeout: a lost wake hangs it.
class sleeper {
public:
    void wake() {
        {
            const std::lock_guard lock(mutex_);
            ++wakes_;
        }
        changed_.notify_one();
    }
    void sleep() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return wakes_ != slept_; });
        ++slept_;
    }
    [[nodiscard]] long sleeps() const { return slept_; }
    [[nodiscard]] long wakes() {
        const std::lock_guard lock(mutex_);
        return wakes_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    long wakes_ = 0;
    long slept_ = 0;
};

struct letter : runnable {
    int producer = 0;
    int number = 0;
};

// Each producer posts `each` letters; with `pause` the next one when the consumer has fallen
// asleep since the last.
void stress(int producers, int each, bool pause) {
    inbox mail;
    sleeper bed;
    std::atomic<long> asleep{0};
    std::vector<std::vector<letter>> letters(static_cast<std::size_t>(producers));
    std::vector<std::thread> threads;
    for (int p = 0; p < producers; ++p) {
        letters[static_cast<std::size_t>(p)].resize(static_cast<std::size_t>(each));
        threads.emplace_back([&, p] {
            auto& own = letters[static_cast<std::size_t>(p)];
            for (int i = 0; i < each; ++i) {
                own[static_cast<std::size_t>(i)].producer = p;
                own[static_cast<std::size_t>(i)].number = i;
                const long seen = asleep.load();
                if (mail.push(own[static_cast<std::size_t>(i)])) {
                    bed.wake();
                }
                while (pause && i + 1 < each && asleep.load() == seen) {
                    std::this_thread::yield();
                }
            }
        });
    }
    std::vector<int> next(static_cast<std::size_t>(producers), 0);
    long left = static_cast<long>(producers) * each;
    bool ordered = true;
    run_queue ready;
    while (left > 0) {
        mail.drain(ready);
        while (runnable* item = ready.pop()) {
            const auto& got = static_cast<letter&>(*item);
            ordered = ordered && got.number == next[static_cast<std::size_t>(got.producer)]++;
            --left;
        }
        if (left > 0 && mail.fall_asleep()) {
            ++asleep;
            bed.sleep();
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(ordered);
    CHECK(bed.sleeps() == asleep);
    CHECK(bed.wakes() == asleep);  // exactly one wake a sleep
    CHECK((!pause || asleep >= each - 1));
}

THOLE_TEST("many producers, and no wake is lost", "[inbox][threads]") {
    stress(1, 60'000, false);
    stress(4, 30'000, false);
}

THOLE_TEST("a consumer that sleeps between any two letters", "[inbox][threads]") {
    stress(1, 300, true);
    stress(3, 100, true);
}

}  // namespace
