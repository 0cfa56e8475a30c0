// SPDX-License-Identifier: BSL-1.0
// Connections that come, carry bytes and go at random: no byte reaches a stranger, and no socket is
// closed for another. R24 and R25 hold by construction: only a loop's own thread closes its
// sockets, a handle forgets its socket when it closes, and on IOCP and io_uring the system's handle
// stays until the kernel has given back all that is pending. A breach shows here all the same.
#include "support/scenario.hpp"

#include <array>
#include <deque>
#include <memory>
#include <random>
#include <thread>

using namespace thole;
using namespace thole::test;

namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 20;

// What went wrong, and how much happened at all. No assertion: this runs in any thread.
struct account {
    std::size_t foreign = 0;     // bytes that are not this stream's next ones
    std::size_t bytes = 0;       // that were
    std::size_t unexpected = 0;  // ends of operations that a close, a cancel or a peer cannot cause
    std::size_t started = 0;
    std::size_t ended = 0;
    std::size_t opened = 0;
    std::size_t refused = 0;  // pairs that could not be made
};

std::byte byte_at(unsigned seed, std::size_t position) {
    const std::size_t word = (seed + 1) * std::size_t{2'654'435'761} + position * 40'503;
    return static_cast<std::byte>((word ^ (word >> 13)) & 0xff);
}

bool may_end_with(const std::error_code& error) {
    return error == no_error || error == errc::closed || error == errc::cancelled ||
           error == errc::end_of_stream || error == std::errc::connection_reset ||
           error == std::errc::connection_aborted || error == std::errc::broken_pipe;
}

// One direction of a connection: a counter of its own makes its bytes.
class stream {
public:
    stream(unsigned seed, account& in) : seed_(seed), in_(in) {}

    void write(tcp::socket& to, std::size_t count) {
        if (writes_ || over_ || !to.is_open()) {
            return;
        }
        out_.resize(count);
        for (std::size_t i = 0; i < count; ++i) {
            out_[i] = byte_at(seed_, sent_ + i);
        }
        ++in_.started;
        writes_ = true;
        writing_.start(to, std::span<const std::byte>(out_));
    }
    void read(tcp::socket& from) {
        if (!reads_ && from.is_open()) {
            ++in_.started;
            reads_ = true;
            reading_.start(from, std::span(buffer_));
        }
    }
    [[nodiscard]] bool pending() const { return writes_ || reads_; }

private:
    struct wrote {
        stream* of;
        void operator()(const transfer& end) const {
            ++of->in_.ended;
            of->in_.unexpected += may_end_with(end.error) ? 0U : 1U;
            of->writes_ = false;
            of->sent_ += end.count;
            of->over_ = of->over_ || end.error;  // IOCP may have sent more than it counts
        }
    };
    struct got {
        stream* of;
        void operator()(const result<std::size_t>& end) const {
            ++of->in_.ended;
            of->in_.unexpected += may_end_with(end.error()) ? 0U : 1U;
            of->reads_ = false;
            for (std::size_t i = 0; end && i < *end; ++i, ++of->received_) {
                const bool ours = of->buffer_[i] == byte_at(of->seed_, of->received_);
                ++(ours ? of->in_.bytes : of->in_.foreign);
            }
        }
    };

    const unsigned seed_;
    account& in_;
    bool writes_ = false;  // not yet told of its end
    bool reads_ = false;
    bool over_ = false;
    std::size_t sent_ = 0;
    std::size_t received_ = 0;
    std::vector<std::byte> out_;
    std::array<std::byte, 4096> buffer_{};
    callback<tcp::write_op, wrote> writing_{wrote{this}};
    callback<tcp::read_op, got> reading_{got{this}};
};

struct connection {
    connection(tcp::socket_pair made, unsigned seed, account& in)
        : ends(std::move(made)), there(seed, in), back(seed + 1, in) {}

    [[nodiscard]] bool gone() const {
        return !ends.first.is_open() && !ends.second.is_open() && !there.pending() &&
               !back.pending();
    }
    tcp::socket_pair ends;
    stream there;
    stream back;
};

class storm {
public:
    storm(loop& on, unsigned seed) : on_(on), chance_(seed), next_seed_(seed) {}

    // A thing at random; `turns` is how often all that is ready has run.
    void step() {
        std::unique_ptr<connection>& place = connections_[draw(connections_.size())];
        if (place == nullptr) {
            open(place);
        } else {
            act(*place);
        }
        if (draw(3) == 0) {
            static_cast<void>(on_.poll());
        }
        for (std::unique_ptr<connection>& each : connections_) {
            if (each != nullptr && each->gone()) {
                each.reset();
            }
        }
    }
    // Reads until each stream has ended; then all is over.
    void end() {
        for (std::unique_ptr<connection>& each : connections_) {
            if (each != nullptr) {
                each->ends.first.close();
                each->ends.first.close();
                each->ends.second.abort();
            }
        }
        static_cast<void>(on_.run_for(patience));
    }
    account seen;

private:
    std::size_t draw(std::size_t below) { return chance_() % below; }

    void open(std::unique_ptr<connection>& place) {
        auto made = on_.block_on(tcp::pair(on_, within(patience)));
        if (made) {
            ++seen.opened;
            place = std::make_unique<connection>(std::move(*made), next_seed_, seen);
            next_seed_ += 2;
        } else {
            ++seen.refused;
        }
    }

    void act(connection& on) {
        tcp::socket& first = on.ends.first;
        tcp::socket& second = on.ends.second;
        const std::size_t count = 1 + draw(draw(16) == 0 ? most_bytes : 2000);
        switch (draw(16)) {
        case 0:
            first.close();
            first.close();
            break;
        case 1:
            second.abort();
            second.close();
            break;
        case 2: {
            const tcp::socket dies = std::move(first);
            first.close();
            break;
        }
        case 3:
            first.cancel_read();
            break;
        case 4:
            second.cancel();
            break;
        case 5:
        case 6:
        case 7:
        case 8:
            on.there.write(first, count);
            break;
        case 9:
        case 10:
            on.back.write(second, count);
            break;
        case 11:
        case 12:
            on.back.read(first);
            break;
        default:
            on.there.read(second);
            break;
        }
    }

    loop& on_;
    std::mt19937 chance_;
    unsigned next_seed_;
    std::array<std::unique_ptr<connection>, 24> connections_{};
};

account storm_on(loop& on, unsigned seed, std::size_t steps) {
    storm weather(on, seed);
    for (std::size_t i = 0; i < steps; ++i) {
        weather.step();
    }
    weather.end();
    return weather.seen;
}
account storm_of(unsigned seed, std::size_t steps) {
    loop on(options_of_run());
    return storm_on(on, seed, steps);
}

void check(const account& seen) {
    CHECK(seen.foreign == 0);
    CHECK(seen.unexpected == 0);
    CHECK(seen.refused == 0);
    CHECK(seen.ended == seen.started);
    CHECK(seen.opened > 24);
    CHECK(seen.bytes > 1'000);
}

}  // namespace

THOLE_TEST("R24 R29 a storm of opening, writing and closing: nobody gets a stranger's bytes",
           "[close]") {
    const std::size_t before = raw::open_handles();
    check(storm_of(12, rounds() * 2));
    if (!on_iocp()) {  // Wine's own threads open and close handles
        CHECK(raw::open_handles() == before);
    }
}

// Both threads take numbers from one table: a socket that one of them closed twice would be the
// other's by then.
THOLE_TEST("R25 closes, also twice, on one loop harm no socket of another thread's",
           "[close][threads]") {
    // Before the thread: liburing maps memory by calls of its own that ThreadSanitizer does not
    // see, so that a ring at the address of another thread's earlier one looks like a race.
    loop on(options_of_run());
    account theirs;
    std::thread other([&theirs] { theirs = storm_of(1000, rounds()); });
    const account ours = storm_on(on, 2000, rounds());
    other.join();
    check(ours);
    check(theirs);
}
