// SPDX-License-Identifier: BSL-1.0
// The server with coroutines: one task a connection.
#include "peer_thole_serve.hpp"

namespace bench::with_thole {
namespace {

namespace tcp = thole::tcp;
using thole::task;

task<> echo(service& s, tcp::socket peer) {
    const service::buffer lent(s);
    const std::span<std::byte> buffer = lent.all();
    while (auto n = co_await peer.read(buffer, s.until)) {
        if (!co_await peer.write(buffer.first(*n), s.until)) {
            break;
        }
    }
    peer.close();
    s.gone();
}

// The write's operation is in a frame of its own, which is there only while something is written:
// the idle connection's frame holds one operation, and no buffer.
task<bool> answer(service& s, tcp::socket& peer, tcp::const_bytes bytes) {
    const thole::transfer sent = co_await peer.write(bytes, s.until);
    co_return sent.error == std::error_code{};
}

task<> echo_lent(service& s, tcp::socket peer) {
    while (auto lent = co_await peer.receive(s.until)) {
        if (!co_await answer(s, peer, lent->bytes())) {
            break;
        }
    }
    peer.close();
    s.gone();
}

task<> once(service& s, tcp::socket peer) {
    const service::buffer lent(s);
    const std::span<std::byte> buffer = lent.all();
    if (auto n = co_await peer.read(buffer, s.until)) {
        static_cast<void>(co_await peer.write(buffer.first(*n), s.until));
    }
    if (s.graceful) {
        static_cast<void>(co_await peer.close_gracefully(thole::within(std::chrono::seconds(5))));
    }
    peer.close();
    s.gone();
}

task<> once_lent(service& s, tcp::socket peer) {
    if (auto lent = co_await peer.receive(s.until)) {
        static_cast<void>(co_await peer.write(tcp::const_bytes(lent->bytes()), s.until));
    }
    peer.close();
    s.gone();
}

task<> sink(service& s, tcp::socket peer) {
    const service::buffer lent(s);
    const std::span<std::byte> buffer = lent.all();
    while (auto n = co_await peer.read(buffer, s.until)) {
    }
    peer.close();
    s.gone();
}

task<> source(service& s, tcp::socket peer) {
    std::uint64_t left = 0;
    const auto asked = std::as_writable_bytes(std::span(&left, 1));
    if (co_await peer.read_exactly(asked, s.until)) {
        while (left != 0) {
            const std::size_t some = std::min<std::uint64_t>(left, s.chunk);
            if (!co_await peer.write(std::span(s.out).first(some), s.until)) {
                break;
            }
            left -= some;
        }
    }
    peer.close();
    s.gone();
}

task<> accept_all(service& s) {
    const auto one = s.kind == service_kind::echo   ? (s.receive ? echo_lent : echo)
                     : s.kind == service_kind::once ? (s.receive ? once_lent : once)
                     : s.kind == service_kind::sink ? sink
                                                    : source;
    while (auto peer = co_await s.door.accept()) {
        s.loop.spawn(one(s, std::move(*peer)));
    }
}

}  // namespace

void serve_by_coroutines(service& s) {
    auto accepting = s.loop.spawn(accept_all(s));
    check(s.loop.run());
    accepting.cancel();
    settle(s.loop);
}

}  // namespace bench::with_thole
