// SPDX-License-Identifier: BSL-1.0
#include "crowd.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_set>

using namespace thole;
using namespace thole::test;

namespace {

constexpr std::size_t clients = 64;
constexpr std::size_t reply_size = 8192;
constexpr std::size_t on_one_connection = 5;
std::size_t replies_before() { return on_iocp() ? 100 : 500; }

struct ledger {
    std::uint64_t next = 0;
    std::unordered_set<std::uint64_t> begun;     // the server has read the request
    std::unordered_set<std::uint64_t> answered;  // the client has read all of the reply
    std::size_t torn = 0;                        // replies of which a part came
    std::size_t running = clients;
};

using request = std::array<std::byte, sizeof(std::uint64_t)>;

std::vector<std::byte> reply_to(std::uint64_t id) {
    std::vector<std::byte> all(reply_size);
    for (std::size_t i = 0; i < all.size(); i += sizeof id) std::memcpy(&all[i], &id, sizeof id);
    return all;
}

task<> answer(ledger& in, connection& with) {
    request asked;
    while (co_await with.socket().read_exactly(asked)) {
        std::uint64_t id = 0;
        std::memcpy(&id, asked.data(), sizeof id);
        in.begun.insert(id);
        const auto worked = co_await sleep_for(std::chrono::milliseconds(id % 8));
        const std::vector<std::byte> reply = reply_to(id);
        const transfer sent = co_await with.socket().write(reply);
        if (!sent || !worked) co_return;
    }
}

// False where this connection has come to its end.
task<bool> ask(ledger& in, tcp::socket& server) {
    const std::uint64_t id = in.next++;
    request asked;
    std::memcpy(asked.data(), &id, sizeof id);
    const transfer sent = co_await server.write(asked, within(30s));
    if (!sent) co_return false;
    std::vector<std::byte> got(reply_size);
    const transfer came = co_await server.read_exactly(got, within(30s));
    if (came && got == reply_to(id)) in.answered.insert(id);
    in.torn += !came && came.count != 0;
    co_return static_cast<bool>(came);
}

// Until nobody listens any more.
task<> keep_asking(loop& on, endpoint where, ledger& in) {
    for (bool here = true; here;) {
        auto server = co_await tcp::connect(on, where, within(30s));
        here = server.has_value();
        bool goes_on = here;
        for (std::size_t i = 0; goes_on && i < on_one_connection; ++i) {
            goes_on = co_await ask(in, *server);
        }
    }
    --in.running;
}

task<drain_report> drain_under_load(server& of, ledger& in) {
    while (in.answered.size() < replies_before()) co_await yield();
    const drain_report end = co_await of.drain(within(30s));
    co_return end;
}

void drain_once(waiting_clients at_drain) {
    scene in;
    tcp::listener door = open_door(in.on);
    const endpoint where = *door.local();
    ledger all;
    {
        server of =
            serve(in.on, std::move(door), [&all](connection& with) { return answer(all, with); },
                  {.idle = 30s, .at_drain = at_drain});
        for (std::size_t i = 0; i < clients; ++i) in.on.spawn(keep_asking(in.on, where, all));
        const drain_report end = run(in.on, drain_under_load(of, all));
        CHECK(end.aborted == 0);
        CHECK(end.idle + end.finished > 0);
        settle(in.on);
    }
    CHECK(all.running == 0);
    CHECK(all.torn == 0);
    CHECK(all.begun.size() >= replies_before());
    CHECK(std::ranges::all_of(all.begun,
                              [&](std::uint64_t id) { return all.answered.contains(id); }));
    CHECK(all.answered.size() == all.begun.size());
    CHECK(in_state(close_wait, where.port()) == 0);
}

}  // namespace

THOLE_TEST("CL20 a drain under load loses no reply that was begun", "[endure]") {
    for (int i = 0; i < (on_iocp() ? 1 : 5); ++i) {
        drain_once(waiting_clients::refuse);
    }
    drain_once(waiting_clients::serve);  // until there is a gap in the clients, some seconds here
}
