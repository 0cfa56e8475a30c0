// SPDX-License-Identifier: BSL-1.0
#include "life.hpp"

#include <cinttypes>
#include <cstdio>
#include <utility>

using namespace thole;
using namespace std::chrono_literals;

namespace examples {
namespace {

void print(const server_counters& now) {
    std::printf("accepted %" PRIu64 ", absorbed %" PRIu64 ", shed %" PRIu64 ", active %zu, "
                "closing %zu; closed: ended %" PRIu64 ", idle %" PRIu64 ", reset %" PRIu64
                ", dropped %" PRIu64 ", drained %" PRIu64 "\n",
                now.accepted, now.absorbed, now.shed, now.active, now.closing, now.closed.ended,
                now.closed.idle, now.closed.reset, now.closed.dropped, now.closed.drained);
    std::fflush(stdout);
}

// What asks for the counters is SIGUSR1 where there is one, else Ctrl-Break.
result<signal_set> open_signals(loop& on) {
    using enum signal_kind;
    auto signals = signal_set::open(on, {interrupt, terminate, user1});
    if (!signals) signals = signal_set::open(on, {interrupt, terminate, control_break});
    return signals;
}

task<int> look_after(server& of, signal_set signals) {
    for (;;) {
        const auto which = co_await signals.next();
        if (!which || *which == signal_kind::interrupt || *which == signal_kind::terminate) break;
        print(of.counters());
    }
    signals.close();  // the next Ctrl-C is the system's
    std::puts("draining");
    std::fflush(stdout);
    const drain_report end = co_await of.drain(within(10s));
    std::printf("drained: %zu idle, %zu finished, %zu aborted\n", end.idle, end.finished,
                end.aborted);
    co_return 0;
}

}  // namespace

loop_options on_backend(const std::string& name) {
    return {.backend = parse_backend(name).value_or(backend_kind::automatic)};
}

std::optional<beginning> listen(loop& on, const std::string& address, tcp::listen_options with) {
    const endpoint where = endpoint::parse(address).value_or(endpoint());
    auto door = tcp::listener::open(on, where, with);
    if (!door) {
        std::fprintf(stderr, "%s\n", describe("listen", where, door.error()).c_str());
        return std::nullopt;
    }
    auto signals = open_signals(on);
    if (!signals) {
        std::fprintf(stderr, "signals: %s\n", signals.error().message().c_str());
        return std::nullopt;
    }
    std::printf("listening on %s (%s)\n", door->local()->to_string().c_str(),
                std::string(on.backend().name).c_str());
    std::fflush(stdout);
    return beginning{std::move(*door), std::move(*signals)};
}

int run_until_interrupted(loop& on, server& of, signal_set signals) {
    const result<int> code = on.block_on(look_after(of, std::move(signals)));
    return code.value_or(1);
}

}  // namespace examples
