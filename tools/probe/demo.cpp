// SPDX-License-Identifier: BSL-1.0
#include "check.hpp"
#include "peers.hpp"

namespace probe {
namespace {

using namespace std::chrono_literals;

// It ends by its cancel at the latest. What is awaited gets a name: g++ 12.2 miscompiles a co_await
// in a condition of a coroutine that declares no variable at all (GCC bug 106188).
thole::task<> reset_after_accept(peer& from) {
    while (!from.take()) {
        const auto slept = co_await thole::sleep_for(5ms);
        if (!slept) co_return;
    }
    const auto slept = co_await thole::sleep_for(50ms);
    if (slept) from.reset();
}

thole::task<> probe_all(thole::loop& on, std::vector<demonstration>& all, peer& resetting) {
    auto answering = on.spawn(reset_after_accept(resetting));
    std::vector<thole::spawned<>> probes;
    for (demonstration& each : all) probes.push_back(on.spawn(probe_one(on, each.found)));
    for (thole::spawned<>& each : probes) co_await each;
    answering.cancel();
    co_await answering;
}

demonstration plan(const char* words, const peer& with, outcome expected, const limits& asked) {
    demonstration made;
    made.peer = words;
    made.expected = expected;
    const thole::endpoint where = with.where();
    made.found.of = {where.to_string(), where, "127.0.0.1", where.port()};
    made.found.asked = asked;
    return made;
}

}  // namespace

std::vector<demonstration> demo(thole::loop& on) {
    peer open(peer::kind::listening);
    peer closed(peer::kind::bound);
    peer silent(peer::kind::silent);
    peer resetting(peer::kind::listening);
    std::vector<demonstration> all;
    all.push_back(plan("accepts", open, outcome::open, {3s, {}}));
    all.push_back(plan("bound, not listening", closed, outcome::refused, {3s, {}}));
    all.push_back(plan("never answers", silent, outcome::timeout, {500ms, {}}));
    all.push_back(plan("resets after 50 ms", resetting, outcome::reset, {3s, 300ms}));
    if (auto ran = on.block_on(probe_all(on, all, resetting)); !ran) {
        for (demonstration& each : all) {
            if (!each.found.total_ms) each.found.error = ran.error();
        }
    }
    return all;
}

}  // namespace probe
