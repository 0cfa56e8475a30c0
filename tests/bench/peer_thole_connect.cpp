// SPDX-License-Identifier: BSL-1.0
// connect port= n= conc= deadline_ms=: to somebody who accepts and resets.
#include <deque>

#include "peer_thole.hpp"

namespace bench::with_thole {
namespace {

namespace tcp = thole::tcp;
using thole::callback;
using thole::task;

struct attempts {
    thole::loop& on;
    thole::deadline until;
    std::vector<thole::endpoint> targets;
    long most;
    long begun = 0;
    long failed = 0;
    latencies taken{};

    [[nodiscard]] bool more() const { return begun < most; }
    [[nodiscard]] const thole::endpoint& next() {
        return targets[static_cast<std::size_t>(begun++) % targets.size()];
    }
    // Gives the time of the end, which is that of the next one's begin.
    std::uint64_t ended(thole::result<tcp::socket>& made, std::uint64_t since) {
        if (made) {
            made->abort();
        } else if (made.error() != std::errc::connection_reset) {
            ++failed;
        }
        const std::uint64_t now = now_ns();
        taken.add(now - since);
        return now;
    }
};

// ---- Callbacks: one struct an attempt, used again for the next one.

class attempt {
public:
    explicit attempt(attempts& of) : of_(of) {}
    void begin(std::uint64_t now) {
        begun_ = now;
        connecting_.start(of_.on, of_.next(), tcp::connect_options{}, of_.until);
    }

private:
    struct on_connected {
        attempt* self;
        void operator()(thole::result<tcp::socket> made) const {
            const std::uint64_t now = self->of_.ended(made, self->begun_);
            if (self->of_.more()) {
                self->begin(now);
            }
        }
    };

    attempts& of_;
    std::uint64_t begun_ = 0;
    callback<tcp::connect_op, on_connected> connecting_{{this}};
};

// ---- Coroutines: each makes one after the other.

task<> in_turn(attempts& of) {
    std::uint64_t now = now_ns();
    while (of.more()) {
        auto made = co_await tcp::connect(of.on, of.next(), of.until);
        now = of.ended(made, now);
    }
}

}  // namespace

void connect(const arguments& given, result& r) {
    const setup how(given);
    const long n = given.number("n", 100'000);
    const long side_by_side = std::min(n, given.number("conc", 256));
    thole::loop on(how.options);
    check(on);
    attempts all{
        on, thole::within(std::chrono::milliseconds(given.number("deadline_ms", 1000))), {}, n};
    all.taken.all.reserve(static_cast<std::size_t>(n));
    for (int host = 1; host <= 16; ++host) {
        char text[32];
        std::snprintf(text, sizeof text, "127.0.0.%d:%ld", host, given.number("port", 0));
        all.targets.push_back(value_of(thole::endpoint::parse(text), "endpoint"));
    }
    std::deque<attempt> own;
    const stopwatch watch;
    for (long i = 0; i < side_by_side; ++i) {
        if (how.coroutines) {
            on.spawn(in_turn(all));
        } else {
            own.emplace_back(all).begin(now_ns());
        }
    }
    check(on.run());
    watch.stop(r, static_cast<std::uint64_t>(n));
    r.extra.emplace_back("failed", static_cast<double>(all.failed));
    r.set(all.taken);
}

}  // namespace bench::with_thole
