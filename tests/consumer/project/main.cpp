// SPDX-License-Identifier: BSL-1.0
// Somebody's program: an echo over loopback under deadlines, and a deadline that ends a read.
// It compiles with exceptions and without.
#include <thole/thole.hpp>

#include <cstdio>
#include <cstring>
#include <span>

using namespace thole;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 20s;  // far more than an echo needs
constexpr char hello[] = "hello";

task<> echo(tcp::listener door) {
    auto peer = co_await door.accept(within(patience));
    if (!peer) {
        co_return;
    }
    std::byte buffer[64];
    for (;;) {  // until the client is gone
        const auto got = co_await peer->read(buffer, within(patience));
        if (!got) {
            co_return;
        }
        const transfer sent = co_await peer->write(std::span(buffer).first(*got), within(patience));
        if (!sent) {
            co_return;
        }
    }
}

task<const char*> ask(loop& on, endpoint server) {
    auto peer = co_await tcp::connect(on, server, within(patience));
    if (!peer) {
        co_return "connect";
    }
    const transfer sent = co_await peer->write(std::as_bytes(std::span(hello)), within(patience));
    char answer[sizeof hello] = {};
    const transfer got =
        co_await peer->read_exactly(std::as_writable_bytes(std::span(answer)), within(patience));
    if (!sent || !got || std::strcmp(answer, hello) != 0) {
        co_return "echo";
    }
    const time_point before = on.now();
    std::byte more[1];
    const auto late = co_await peer->read(more, within(30ms));
    if (late.error() != errc::deadline_reached || on.now() - before < 30ms) {
        co_return "deadline";
    }
    co_return nullptr;
}

#if defined(__cpp_exceptions)
constexpr char exceptions[] = "on";
// What the library throws is caught here: over the border of a shared one, too.
bool value_throws() {
    try {
        static_cast<void>(endpoint::parse("nobody").value());
    } catch (const std::system_error& error) {
        return error.code() == std::errc::invalid_argument;
    }
    return false;
}
#else
constexpr char exceptions[] = "off";
bool value_throws() { return true; }
#endif

const char* what_fails() {
    loop on;
    if (!on) {
        return "loop";
    }
    auto door = tcp::listener::open(on, endpoint::loopback(address_family::ipv4, 0));
    if (!door) {
        return "listener";
    }
    const auto where = door->local();
    if (!where) {
        return "local";
    }
    on.spawn(echo(std::move(*door)));
    const result<const char*> failed = on.block_on(ask(on, *where));
    return !failed ? "block_on" : *failed != nullptr ? *failed : value_throws() ? nullptr : "value";
}

}  // namespace

int main() {
    if (const char* what = what_fails()) {
        std::printf("failed: %s\n", what);
        return 1;
    }
    std::printf("thole %s: echoed, exceptions %s\n", version, exceptions);
    return 0;
}
