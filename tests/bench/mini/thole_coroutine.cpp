// SPDX-License-Identifier: BSL-1.0
// The smallest echo server with coroutines.
#include <thole/listener.hpp>
#include <thole/loop.hpp>

using namespace thole;

task<> echo(tcp::socket peer) {
    std::byte buffer[1024];
    while (auto got = co_await peer.read(buffer)) {
        if (!co_await peer.write(tcp::const_bytes(buffer, *got))) {
            co_return;
        }
    }
}

task<> serve(loop& on, tcp::listener door) {
    while (auto peer = co_await door.accept()) {
        on.spawn(echo(std::move(*peer)));
    }
}

int main() {
    loop on;
    auto door = tcp::listener::open(on, endpoint::loopback(address_family::ipv4, 7777));
    if (!door) {
        return 1;
    }
    on.spawn(serve(on, std::move(*door)));
    return on.run() ? 0 : 1;
}
