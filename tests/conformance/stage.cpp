// SPDX-License-Identifier: BSL-1.0
#include "stage.hpp"

#include <thread>
#include <utility>

namespace thole::conformance {
namespace {

// A read's bytes as they are where they are few, else their number and whether they are pattern().
std::string moved(const step& one, bool reads) {
    if (one.count == 0 || one.with.uncounted) {
        return "";
    }
    if (!reads) {
        return ' ' + std::to_string(one.count);
    }
    const std::string got = one.bytes.substr(0, one.count);
    constexpr std::size_t few = 64;
    if (one.count <= few) {
        return " '" + got + "'";
    }
    return ' ' + std::to_string(one.count) + (got == pattern(one.count) ? "" : " garbled");
}

bool is_read(const step& one) {
    return !one.bytes.empty() && one.name.find("read") != one.name.npos;
}

}  // namespace

// Blocks of one text, each with its own number in front.
std::string pattern(std::size_t count) {
    constexpr std::size_t block = 4093;
    std::string text(block, ' ');
    for (std::size_t i = 0; i < block; ++i) {
        text[i] = static_cast<char>('!' + (i * 7 + i / 251) % 90);
    }
    std::string bytes;
    bytes.reserve(count + block);
    while (bytes.size() < count) {
        const std::string number = std::to_string(bytes.size() / block) + ' ';
        text.replace(0, number.size(), number);
        bytes += text;
    }
    bytes.resize(count);
    return bytes;
}

std::vector<scenario>& scenarios() {
    static std::vector<scenario> all;
    return all;
}

// ---- A side.

void side::note(std::string_view text) { on_.line(name_ + ' ' + std::string(text)); }

void side::listen(const endpoint& where, int door) {
    const std::string end = driver_.listen(door_number(door), where);
    if (end != "ok") note("listen " + end);
}

void side::shutdown_write(int socket) {
    note("shutdown_write " + driver_.shutdown_write(number(socket)));
}

void side::close(int socket) { driver_.close(number(socket)); }
void side::abort(int socket) { driver_.abort(number(socket)); }
void side::close_door(int door) { driver_.close(door_number(door)); }

step& side::make(std::string_view verb, extras with, std::string bytes) {
    step& one = on_.steps_.emplace_back();
    one.name = name_ + ' ' + std::string(with.as.empty() ? verb : with.as);
    one.with = with;
    one.bytes = std::move(bytes);
    return one;
}

step& side::connect(const endpoint& target, extras with) {
    step& one = make("connect", with, {});
    driver_.connect(number(with.socket), target, one);
    return one;
}

step& side::accept(extras with, int door) {
    step& one = make("accept", with, {});
    driver_.accept(door_number(door), number(with.socket), one);
    return one;
}

step& side::read(std::size_t at_most, extras with) {
    step& one = make("read", with, std::string(at_most, '\0'));
    driver_.read(number(with.socket), one);
    return one;
}

step& side::read_exactly(std::size_t count, extras with) {
    with.exactly = true;
    return read(count, with);
}

step& side::write(std::string bytes, extras with) {
    step& one = make("write", with, std::move(bytes));
    driver_.write(number(with.socket), one);
    return one;
}

endpoint side::local(int socket) { return driver_.local(number(socket)); }
endpoint side::peer(int socket) { return driver_.peer(number(socket)); }
endpoint side::where(int door) { return driver_.local(door_number(door)); }

// ---- The stage.

stage::stage(driver& client_by, driver& server_by)
    : client(*this, "client", client_by, 0), server(*this, "server", server_by, 1000) {
    client_by.count_in(ends_);
    server_by.count_in(ends_);
}

void stage::turn() {
    client.turn(0ms);
    server.turn(0ms);
}

// Where nothing happens for a while, one loop and then the other waits a moment: the guard bounds
// it, and a loop that has nothing pending does not spin.
template <class Turn>
step& stage::until_ended(step& one, Turn turn) {
    constexpr int busy = 100;
    for (int idle = 0; one.pending();) {
        const bool ran = turn(idle < busy ? 0ms : 1ms);
        idle = ran ? 0 : idle + 1;
        if (!ran) std::this_thread::yield();
        if (one.pending() && std::chrono::steady_clock::now() - begun_ > guard) {
            throw stuck("it never ended: " + one.name);
        }
    }
    return one;
}

step& stage::watch(step& one) {
    return until_ended(one, [this](std::chrono::milliseconds at_most) {
        const bool at_client = client.turn(at_most);
        return server.turn(at_most) || at_client;
    });
}

step& stage::wait_at(side& by, step& one) {
    return until_ended(one, [&by](std::chrono::milliseconds at_most) { return by.turn(at_most); });
}

step& stage::wait(step& one) {
    watch(one);
    line(one.name + ' ' + one.end + moved(one, is_read(one)));
    return one;
}

void stage::expect_ok(const step& one) const {
    if (one.end != "ok") throw stuck("it ended with " + one.end + ": " + one.name);
}

void stage::join(int socket) {
    if (!std::exchange(listening_, true)) {
        server.listen(endpoint::loopback(address_family::ipv4, 0));
    }
    step& accepted = server.accept({.socket = socket});
    step& connected = client.connect(server.where(), {.socket = socket});
    expect_ok(watch(connected));
    expect_ok(watch(accepted));
}

void stage::send(side& from, side& to, const std::string& text) {
    step& written = from.write(text);
    step& got = to.read_exactly(text.size());
    expect_ok(watch(written));
    expect_ok(watch(got));
    if (got.bytes != text) throw stuck("the bytes came out changed");
}

}  // namespace thole::conformance
