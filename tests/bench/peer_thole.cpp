// SPDX-License-Identifier: BSL-1.0
// thole as its users see it.
//   serve kind=echo chunk= exit_after=
//         backend=epoll|select|…  style=callback|coroutine  deadline_ms=0 (no deadline)
#include <thole/thole.hpp>

#include <memory>
#include <vector>

#include "bench.hpp"

namespace {

using bench::arguments;
using std::chrono::milliseconds;
using thole::callback;
using thole::deadline;
using thole::task;
namespace tcp = thole::tcp;

struct settings {
    std::size_t chunk;
    long exit_after;
    deadline until;  // of each step
};

class service {
public:
    service(thole::loop& on, tcp::listener door, const settings& how)
        : loop(on), door_(std::move(door)), given(how) {}

    void gone() {
        if (++closed_ == given.exit_after) {
            loop.stop();
        }
    }
    [[nodiscard]] tcp::listener& door() { return door_; }

    thole::loop& loop;

private:
    tcp::listener door_;
    long closed_ = 0;

public:
    const settings given;
};

// ---- Callbacks: one struct a connection, kept for the next one.

struct callback_service;

struct connection {
    struct on_read {
        connection* self;
        void operator()(thole::result<std::size_t> n) const;
    };
    struct on_written {
        connection* self;
        void operator()(thole::transfer sent) const;
    };

    explicit connection(callback_service& of);
    void read() { reading.start(peer, std::span(buffer.get(), chunk), until); }

    callback_service& owner;
    tcp::socket peer;
    callback<tcp::read_op, on_read> reading{{this}};
    callback<tcp::write_op, on_written> writing{{this}};
    std::size_t chunk;
    deadline until;
    std::unique_ptr<std::byte[]> buffer;
};

struct callback_service : service {
    struct on_accept {
        callback_service* self;
        void operator()(thole::result<tcp::socket> peer) const {
            if (peer) {
                self->begin(std::move(*peer));
                self->accept();
            }
        }
    };

    using service::service;
    void accept() { accepting.start(door()); }
    void begin(tcp::socket peer) {
        if (idle.empty()) {
            all.push_back(std::make_unique<connection>(*this));
            idle.push_back(all.back().get());
        }
        connection& c = *idle.back();
        idle.pop_back();
        c.peer = std::move(peer);
        c.read();
    }
    [[gnu::noinline]] void drop(connection& c) {
        c.peer.close();
        idle.push_back(&c);
        gone();
    }

    callback<tcp::accept_op, on_accept> accepting{{this}};
    std::vector<std::unique_ptr<connection>> all;
    std::vector<connection*> idle;
};

connection::connection(callback_service& of)
    : owner(of), chunk(of.given.chunk), until(of.given.until), buffer(new std::byte[chunk]) {}

void connection::on_read::operator()(thole::result<std::size_t> n) const {
    if (!n) {
        self->owner.drop(*self);
        return;
    }
    self->writing.start(self->peer, std::span<const std::byte>(self->buffer.get(), *n),
                        self->until);
}

void connection::on_written::operator()(thole::transfer sent) const {
    if (!sent) {
        self->owner.drop(*self);
        return;
    }
    self->read();
}

// ---- Coroutines: one task a connection.

task<> echo(service& owner, tcp::socket peer) {
    const std::unique_ptr<std::byte[]> memory(new std::byte[owner.given.chunk]);
    const std::span<std::byte> buffer(memory.get(), owner.given.chunk);
    const deadline until = owner.given.until;
    while (auto n = co_await peer.read(buffer, until)) {
        if (!co_await peer.write(buffer.first(*n), until)) {
            break;
        }
    }
    peer.close();
    owner.gone();
}

task<> serve_all(service& owner) {
    while (auto peer = co_await owner.door().accept()) {
        owner.loop.spawn(echo(owner, std::move(*peer)));
    }
}

[[noreturn]] void refuse(const char* what, const std::string& why) {
    std::fprintf(stderr, "peer_thole: %s: %s\n", what, why.c_str());
    std::exit(2);
}

void serve(const arguments& a, bench::result& /*unused*/) {
    const auto kind = thole::parse_backend(a.text("backend", "automatic"));
    const std::string style = a.text("style", "callback");
    const bool known = style == "callback" || style == "coroutine";
    if (!kind || !known || a.text("kind", "echo") != "echo") {
        refuse("arguments", "backend=NAME style=callback|coroutine kind=echo");
    }
    thole::loop on(thole::loop_options{.backend = *kind});
    if (!on) {
        refuse("loop", on.backend().reason);
    }
    auto door = tcp::listener::open(on, thole::endpoint::any(thole::address_family::ipv4, 0));
    if (!door) {
        refuse("listen", door.error().message());
    }
    bench::announce(door->local().value().port());
    const long ms = a.number("deadline_ms", 0);
    const settings given{static_cast<std::size_t>(a.number("chunk", 1024)),
                         a.number("exit_after", 0),
                         ms > 0 ? thole::within(milliseconds(ms)) : thole::never};
    thole::result<std::size_t> ran;
    if (style == "callback") {
        callback_service s(on, std::move(*door), given);
        s.accept();
        ran = on.run();
        s.accepting.cancel();
        on.restart();
        static_cast<void>(on.poll());  // nothing may be pending when it goes
    } else {
        service s(on, std::move(*door), given);
        auto serving = on.spawn(serve_all(s));
        ran = on.run();
        serving.cancel();
        on.restart();
        static_cast<void>(on.poll());
    }
    if (!ran) {
        refuse("run", ran.error().message());
    }
}

}  // namespace

int main(int count, char** words) { return bench::peer_main(count, words, {"thole", &serve}); }
