// SPDX-License-Identifier: BSL-1.0
// A client that stays connected: says hello, prints what the server says, and when the connection
// ends, in whichever way, waits a while and connects again.
#include <thole/thole.hpp>

#include <cstdio>
#include <string>
#include <string_view>

#include "back_off.hpp"
#include "shared/command_line.hpp"
#include "shared/life.hpp"

using namespace thole;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view hello = "hello\n";

struct settings {
    std::string host = "127.0.0.1";
    std::string service = "7000";
    std::string backend = "automatic";
    unsigned least = 100;    // milliseconds
    unsigned most = 30'000;  // milliseconds
    unsigned cycles = 0;
};

// One connection: whether there was any, how many bytes the server said, and what ended it.
struct visit {
    bool connected;
    std::size_t heard;
    std::error_code end;
};

task<visit> call(loop& on, const settings& with) {
    auto server = co_await tcp::connect_by_name(on, with.host, with.service, within(10s));
    if (!server) co_return visit{false, 0, server.error()};
    // The server may be silent for as long as it likes; this finds out if it is gone.
    static_cast<void>(server->keep_alive({.on = true, .idle = 60s, .interval = 10s, .count = 3}));

    visit made{true, 0, {}};
    const transfer sent = co_await server->write(std::as_bytes(std::span(hello)), within(5s));
    made.end = sent.error;
    std::byte buffer[4096];
    while (!made.end) {
        const auto n = co_await server->read(buffer);
        made.heard += n.value_or(0);
        made.end = n.error();
        std::fwrite(buffer, 1, n.value_or(0), stdout);
    }
    co_return made;  // and the socket closes, before the pause that follows
}

task<> stay_connected(loop& on, const settings& with) {
    examples::back_off delay(std::chrono::milliseconds(with.least),
                             std::chrono::milliseconds(with.most));
    for (unsigned done = 0; with.cycles == 0 || done < with.cycles;) {
        const visit made = co_await call(on, with);
        if (made.connected) ++done;
        // A server that takes connections and says nothing is not well either.
        if (made.heard != 0) delay.reset();
        const auto pause = delay.next();
        std::printf("%s: again in %lld ms\n", made.end.message().c_str(),
                    static_cast<long long>(pause.count()));
        std::fflush(stdout);
        const auto slept = co_await sleep_for(pause);
        if (!slept) co_return;
    }
}

}  // namespace

int main(int count, char** words) {
    settings with;
    examples::command_line line("reconnect", "Stays connected to a server.");
    line.option("--host", with.host, "name or address of the server");
    line.option("--port", with.service, "its port, or the name of a service");
    line.option("--least", with.least, "milliseconds before the first new attempt");
    line.option("--most", with.most, "milliseconds before any attempt");
    line.option("--cycles", with.cycles, "end after so many connections; 0: never");
    line.option("--backend", with.backend, "epoll, io_uring, select, iocp");
    if (const auto code = line.read(count, words)) return *code;

    loop on(examples::on_backend(with.backend));
    if (!on) {
        std::fprintf(stderr, "%s\n", on.backend().reason.c_str());
        return 1;
    }
    return on.block_on(stay_connected(on, with)) ? 0 : 1;
}
