// SPDX-License-Identifier: BSL-1.0
// pingpong n= size=: both ends of one connection in one loop.
#include <vector>

#include "peer_thole.hpp"

namespace bench::with_thole {
namespace {

namespace tcp = thole::tcp;
using thole::callback;
using thole::task;

// What is read into is larger than a message: a read that fills its buffer may have left something
// behind, and the next one must ask.
struct end_buffer {
    explicit end_buffer(std::size_t size) : bytes(size + 1), message(size) {}
    // True: a whole message has come.
    bool add(std::size_t count) {
        have += count;
        return have >= message && (have -= message, true);
    }
    [[nodiscard]] std::span<const std::byte> out() const { return std::span(bytes).first(message); }

    std::vector<std::byte> bytes;
    std::size_t message;
    std::size_t have = 0;
};

struct rounds {
    tcp::socket_pair both;
    long left;
    end_buffer first, second;
    thole::deadline until;
    latencies taken{};
    std::uint64_t begun = now_ns();

    // True: that was the last one.
    bool done() {
        const std::uint64_t now = now_ns();
        taken.add(now - begun);
        begun = now;
        return --left == 0;
    }
    void end() {
        both.first.close();
        both.second.close();
    }
};

// ---- Callbacks.

class end_point {
public:
    end_point(rounds& of, tcp::socket& peer, end_buffer& buffer, bool counts)
        : of_(of), peer_(peer), buffer_(buffer), counts_(counts) {}

    void read() { reading_.start(peer_, std::span(buffer_.bytes), of_.until); }
    void write() { writing_.start(peer_, buffer_.out(), of_.until); }

private:
    struct on_read {
        end_point* self;
        void operator()(thole::result<std::size_t> got) const {
            if (!got) {
                return;
            }
            if (!self->buffer_.add(*got)) {
                self->read();
            } else if (self->counts_ && self->of_.done()) {
                self->of_.end();
            } else {
                self->write();
            }
        }
    };
    struct on_written {
        end_point* self;
        void operator()(thole::transfer sent) const {
            if (sent) {
                self->read();
            }
        }
    };

    rounds& of_;
    tcp::socket& peer_;
    end_buffer& buffer_;
    bool counts_;
    callback<tcp::read_op, on_read> reading_{{this}};
    callback<tcp::write_op, on_written> writing_{{this}};
};

void with_callbacks(thole::loop& on, rounds& r) {
    end_point one(r, r.both.first, r.first, true);
    end_point other(r, r.both.second, r.second, false);
    other.read();
    one.write();
    check(on.run());
}

// ---- Coroutines.

task<> answer(rounds& r) {
    tcp::socket& peer = r.both.second;
    while (auto got = co_await peer.read(r.second.bytes, r.until)) {
        if (r.second.add(*got) && !co_await peer.write(r.second.out(), r.until)) {
            break;
        }
    }
}

task<> ask(rounds& r) {
    tcp::socket& peer = r.both.first;
    while (auto sent = co_await peer.write(r.first.out(), r.until)) {
        bool whole = false;
        while (!whole) {
            auto got = co_await peer.read(r.first.bytes, r.until);
            if (!got) {
                co_return;
            }
            whole = r.first.add(*got);
        }
        if (r.done()) {
            break;
        }
    }
    r.end();
}

}  // namespace

void pingpong(const arguments& given, result& r) {
    const setup how(given);
    const auto size = static_cast<std::size_t>(given.number("size", 64));
    const long n = given.number("n", 200'000);
    thole::loop on(how.options);
    check(on);
    tcp::socket_pair both = value_of(on.block_on(tcp::pair(on)), "pair");
    if (!both.first.no_delay(true) || !both.second.no_delay(true)) {
        refuse("pair", "TCP_NODELAY");
    }
    rounds all{std::move(both), n, end_buffer(size), end_buffer(size), how.until};
    all.taken.all.reserve(static_cast<std::size_t>(n));
    const stopwatch watch;
    if (how.coroutines) {
        on.spawn(answer(all));
        on.spawn(ask(all));
        check(on.run());
    } else {
        with_callbacks(on, all);
    }
    watch.stop(r, static_cast<std::uint64_t>(n));
    r.set(all.taken);
    if (all.left != 0) {
        refuse("pingpong", "the connection ended early");
    }
}

}  // namespace bench::with_thole
