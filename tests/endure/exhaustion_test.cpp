// SPDX-License-Identifier: BSL-1.0
#include "crowd.hpp"

#include <cstdio>
#include <ctime>
#include <vector>

using namespace thole;
using namespace thole::test;

namespace {

constexpr std::size_t descriptors = 64;  // ulimit -n
constexpr std::size_t clients = 200;
constexpr std::size_t afterwards = 40;  // who come, or stay, when there is room again
constexpr auto window = 1s;
constexpr std::string_view word = "hello";
enum : int { fine, not_told, not_answered, too_late };

using steady = std::chrono::steady_clock;

bool is_answered(raw::socket& client) {
    client.send(word);
    const raw::reception got = client.receive_all(word.size());
    return got.bytes == word;
}

// Connects all, is told on the first connection that the window is over, gives up as many as had
// been taken, and has the next ones answered within a second. Who was reset comes again.
int crowd_in(const endpoint& where, bool comes_again) {
    (void)raw::lift_handle_limit(clients + 64);  // the server's own may have been lowered already
    std::vector<raw::socket> all;
    for (std::size_t i = 0; i < clients; ++i) all.push_back(raw::socket::connect(where));
    if (all.front().receive_all(1).bytes != "g") return not_told;
    const auto begun = steady::now();
    all.erase(all.begin(), comes_again ? all.end() : all.begin() + descriptors);
    for (std::size_t i = 0; i < afterwards; ++i) {
        if (comes_again) all.push_back(raw::socket::connect(where));
        if (!is_answered(all[i])) return not_answered;
    }
    return steady::now() - begun < 1s ? fine : too_late;
}

task<> echo(tcp::socket client) {
    std::byte buffer[64];
    while (auto n = co_await client.read(buffer, within(30s))) {
        const transfer sent = co_await client.write(std::span(buffer).first(*n), within(30s));
        if (!sent) co_return;
    }
}

struct service {
    loop& on;
    tcp::listener door;
    tcp::socket first{};  // who is told when the window is over
    bool has_first = false;
    double busy = 0;  // of a processor, in the window
    tcp::listener_counters at_end{};
};

task<> accept_all(service& of) {
    while (auto client = co_await of.door.accept()) {
        if (!std::exchange(of.has_first, true)) {
            of.first = std::move(*client);
        } else {
            of.on.spawn(echo(std::move(*client)));
        }
    }
}

// Processor time of this process while nothing can be accepted. The crowd is another one.
task<> watch(service& of) {
    while (of.door.counters().pauses == 0) {
        const auto slept = co_await sleep_for(1ms);
        if (!slept) co_return;
    }
    const std::clock_t begun = std::clock();
    const auto slept = co_await sleep_for(window);
    const double used = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
    of.busy = used / std::chrono::duration<double>(window).count();
    of.at_end = of.door.counters();
    const transfer told = co_await of.first.write(bytes_of("g"), within(10s));
    CHECK((slept && told));
    of.first.close();
}

tcp::listener_counters exhaust(tcp::exhaustion_policy policy) {
    if (raw::is_windows()) skip("no limit of handles there: endure-injected has a script say so");
    scene in;
    service of{in.on, open_door(in.on, address_family::ipv4, {.when_exhausted = policy}), {}};
    const endpoint where = *of.door.local();
    const bool comes_again = policy == tcp::exhaustion_policy::shed;
    {
        crowd many(
            in.on, [where, comes_again] { return crowd_in(where, comes_again); },
            [&of] { of.door.close(); });
        const tcp::listener_counters none = of.door.counters();
        CHECK(none.pauses == 0);
        const std::size_t before = raw::limit_handles(descriptors);
        in.on.spawn(accept_all(of));
        in.on.spawn(watch(of));
        settle(in.on);
        (void)raw::limit_handles(before);
        CHECK(many.code() == fine);
    }
    CHECK(of.busy < 0.05);
    CHECK(in_state(close_wait, where.port()) == 0);
    std::printf("%.2f %% of a processor while exhausted, %llu pauses, %llu shed\n", of.busy * 100,
                static_cast<unsigned long long>(of.at_end.pauses),
                static_cast<unsigned long long>(of.at_end.shed));
    return of.at_end;
}

}  // namespace

THOLE_TEST("AC13 R28 R39 64 descriptors and 200 clients that wait", "[endure]") {
    const tcp::listener_counters seen = exhaust(tcp::exhaustion_policy::pause);
    CHECK(seen.shed == 0);
    CHECK(seen.accepted < descriptors);
}

THOLE_TEST("AC12 64 descriptors and 200 clients that are sent away", "[endure]") {
    const tcp::listener_counters seen = exhaust(tcp::exhaustion_policy::shed);
    CHECK(seen.shed + seen.accepted == clients);
    CHECK(seen.accepted < descriptors);
}
