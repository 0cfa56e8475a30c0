// SPDX-License-Identifier: BSL-1.0
// The server by thole::serve(): a handler a connection, all else is the library's.
#include "peer_thole_serve.hpp"

namespace bench::with_thole {
namespace {

namespace tcp = thole::tcp;
using thole::task;

void end(service& s, tcp::socket& peer) {
    if (!s.graceful) {
        peer.close();
    }
    s.gone();
}

task<> echo(service& s, tcp::socket& peer) {
    const service::buffer lent(s);
    const std::span<std::byte> buffer = lent.all();
    while (auto n = co_await peer.read(buffer)) {
        if (!co_await peer.write(buffer.first(*n))) {
            break;
        }
    }
    end(s, peer);
}

task<> once(service& s, tcp::socket& peer) {
    const service::buffer lent(s);
    const std::span<std::byte> buffer = lent.all();
    if (auto n = co_await peer.read(buffer)) {
        static_cast<void>(co_await peer.write(buffer.first(*n)));
    }
    end(s, peer);
}

}  // namespace

void serve_by_server(service& s) {
    if (s.kind != service_kind::echo && s.kind != service_kind::once) {
        lacks("thole with serve()", "of that kind");
    }
    thole::serve_options options;
    options.most_connections = 1'000'000;
    options.idle = s.idle;
    const auto handler = [&s](thole::connection& with) {
        return s.kind == service_kind::echo ? echo(s, with.socket()) : once(s, with.socket());
    };
    {
        const thole::server all = thole::serve(s.loop, std::move(s.door), handler, options);
        check(s.loop.run());
    }
    settle(s.loop);
}

}  // namespace bench::with_thole
