// SPDX-License-Identifier: BSL-1.0
// What the scenarios share: a loop of the run's backend that must leave nothing open, connected
// pairs, peers that refuse or never answer, and a record of what finished in which order.
#pragma once

#include <thole/thole.hpp>

#include "support/raw_peer.hpp"
#include "support/test.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thole::test {

using namespace std::chrono_literals;

inline const std::error_code no_error{};

[[nodiscard]] backend_kind kind_of_run();
[[nodiscard]] loop_options options_of_run();
[[nodiscard]] bool on_sim();
[[nodiscard]] bool on_iocp();
[[nodiscard]] bool on_uring();
// How often a race is tried: about 2,000 natively, 200 under Wine and sanitizers (cases.md 6.1.7).
[[nodiscard]] std::size_t rounds();
// Enough bytes to leave a write pending when the peer does not read.
[[nodiscard]] std::span<const std::byte> bulk();

// How long a scenario may take before it has failed: far more than any needs.
inline constexpr std::chrono::seconds patience{40};

// A timer that must not be the first to fire: the upper bounds of cases.md 6.1.6.
class guard {
public:
    guard(loop& on, std::chrono::nanoseconds time) : on_(on), timer_(on, &expired, this) {
        timer_.arm(within(time));
    }
    [[nodiscard]] bool fired() const noexcept { return fired_; }

private:
    static void expired(void* self) {
        static_cast<guard*>(self)->fired_ = true;
        static_cast<guard*>(self)->on_.stop();
    }

    loop& on_;
    bool fired_ = false;
    timer timer_;
};

// The same, with two buffers of 64 bytes to lend.
[[nodiscard]] loop_options two_buffers();

// A loop of the run's backend. When it goes, everything that was opened since must be closed.
class scene {
public:
    explicit scene(loop_options options = options_of_run());
    scene(const scene&) = delete;
    scene& operator=(const scene&) = delete;
    ~scene();

    // Ends the loop before the scene's own end.
    void end_loop() { held_.reset(); }

private:
    std::size_t handles_before_;
    std::optional<loop> held_;

public:
    loop& on;
};

// Runs `work` to its end and gives its value; fails when it takes longer than `patience`.
template <class T>
T run(loop& on, task<T>&& work) {
    const guard limit(on, patience);
    auto got = on.block_on(std::move(work));
    if (limit.fired()) {
        on.restart();
        FAIL("the scenario did not end");
    }
    REQUIRE(got.error() == no_error);
    if constexpr (!std::is_void_v<T>) {
        return std::move(*got);
    }
}
// Runs until no work is left, or the loop was stopped (and restarts it).
void settle(loop& on);
// Runs what is ready now.
void turn(loop& on);

// Runs until `done()`, other operations being pending.
template <class F>
void run_until(loop& on, F done) {
    const guard late(on, patience);
    while (!done()) {
        REQUIRE_FALSE(late.fired());
        REQUIRE(on.run_for(1ms).error() == no_error);
    }
}

struct pair {
    pair(tcp::socket one, tcp::socket other) : here(std::move(one)), there(std::move(other)) {}
    tcp::socket here;   // the one that connected
    tcp::socket there;  // the accepted one
};
[[nodiscard]] tcp::listener open_door(loop& on, address_family family = address_family::ipv4,
                                      tcp::listen_options options = {});
[[nodiscard]] task<pair> connected(loop& on, tcp::listener& door);
[[nodiscard]] pair make_pair(loop& on);
// A socket of the system's, which is the loop's from now on.
[[nodiscard]] tcp::socket adopted(loop& on, raw::socket& from);

// Bound, and not listening.
class closed_port {
public:
    closed_port();
    [[nodiscard]] endpoint where() const { return where_; }

private:
    raw::socket held_;
    endpoint where_;
};

// A connection to it stays pending for ever.
class silent_port {
public:
    explicit silent_port(loop& on);
    [[nodiscard]] endpoint where() const { return where_; }

private:
    std::optional<raw::silent_port> raw_;
    tcp::listener door_;
    std::vector<tcp::socket> waiting_;
    endpoint where_;
};

// What finished, in order.
class journal {
public:
    struct entry {
        std::string_view who;
        std::error_code error;
        std::size_t count = 0;
    };

    // Stops the loop when `count` entries are there.
    void stop_at(loop& on, std::size_t count) {
        stops_ = &on;
        stop_count_ = count;
    }
    void note(std::string_view who, std::error_code error, std::size_t count = 0);

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] const entry& operator[](std::size_t i) const { return entries_.at(i); }
    // How often `who` finished.
    [[nodiscard]] std::size_t times(std::string_view who) const;
    // Its first end; fails where there is none.
    [[nodiscard]] const entry& of(std::string_view who) const;

private:
    std::vector<entry> entries_;
    loop* stops_ = nullptr;
    std::size_t stop_count_ = 0;
};

// Calls of a callback, written into a journal. A socket goes to `made`.
struct noted {
    journal* in;
    std::string_view who;
    tcp::socket* made = nullptr;

    void operator()(result<void> end) const { in->note(who, end.error()); }
    void operator()(const transfer& end) const { in->note(who, end.error, end.count); }
    void operator()(result<std::size_t> end) const { in->note(who, end.error(), end ? *end : 0); }
    void operator()(result<tcp::socket> end) const {
        if (end && made != nullptr) {
            *made = std::move(*end);
        }
        in->note(who, end.error());
    }
};
template <class Op>
using noting = callback<Op, noted>;

[[nodiscard]] std::span<const std::byte> bytes_of(std::string_view text);
[[nodiscard]] std::string text_of(std::span<const std::byte> bytes);

// Sends all of `text`, and nothing else.
[[nodiscard]] task<> send(tcp::socket& to, std::string_view text);
// Reads exactly as many bytes as `text` has and compares.
[[nodiscard]] task<> expect(tcp::socket& from, std::string_view text);
// Reads until the end: how many bytes came, and what ended it.
[[nodiscard]] task<transfer> drain(tcp::socket& from);

// One thread waits for another. (mingw's GCC 12 hangs in std::latch and atomic waits.)
class baton {
public:
    void pass();
    void wait();

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t passed_ = 0;
};

}  // namespace thole::test
