// SPDX-License-Identifier: BSL-1.0
// A server when descriptors have run out: the last resort.
#include "service.hpp"
#include "support/scarcity.hpp"

#include <vector>

using namespace thole;
using namespace thole::test;

namespace {

void need_scarcity() {
    if (on_iocp()) {
        skip("Wine and Windows have no such limit");
    }
}

task<> come(loop& on, endpoint where, std::size_t count, std::vector<tcp::socket>& kept) {
    for (std::size_t i = 0; i < count; ++i) {
        kept.push_back(co_await known_client(on, where));
    }
}

// A listener that asks for clients only now: io_uring's standing request keeps the limit of the
// time when it was made.
endpoint opens_another(service& at, tcp::listener door) {
    const endpoint where = *door.local();
    CHECK(at.runs.start(std::move(door)).error() == no_error);
    return where;
}

task<> is_served_late(loop& on, service& at, endpoint where, std::vector<tcp::socket>& kept,
                      std::size_t gone) {
    const tcp::socket late = co_await known_client(on, where);
    for (std::size_t i = 0; i < kept.size(); ++i) {
        if (i < gone) {  // the oldest
            const std::error_code end = co_await end_of(kept[i]);
            CHECK(end == errc::end_of_stream);
        } else {
            co_await send(kept[i], "still here");
            co_await expect(kept[i], "still here");
        }
    }
    const server_counters seen = at.runs.counters();
    CHECK(seen.closed.last_resort == gone);
    CHECK(seen.active == kept.size() - gone + 1);
    CHECK(seen.shed == 0);
    CHECK(seen.pauses >= 1);
    at.runs.close();
}

task<> waits_in_vain(loop& on, service& at, endpoint where) {
    tcp::socket late = co_await client_of(on, where);
    co_await send(late, "?");
    std::byte answer[1];
    const auto none = co_await late.read(answer, within(300ms));
    CHECK(none.error() == errc::deadline_reached);
    CHECK(at.closed().last_resort == 0);
    CHECK(at.runs.counters().pauses >= 1);
    at.runs.close();
}

}  // namespace

THOLE_TEST("G12 serve: without descriptors some of the idle make room for who comes", "[serve]") {
    need_scarcity();
    scene in(options_with_sockets(64));
    std::vector<tcp::socket> kept;
    service at(in.on, &echo);
    run(in.on, come(in.on, at.where, 20, kept));
    {
        tcp::listener other = open_door(in.on);
        scarcity none(in.on);
        none.give(1);  // for the client's end
        const endpoint where = opens_another(at, std::move(other));
        run(in.on, is_served_late(in.on, at, where, kept, 2));
    }
    settle(in.on);
}

THOLE_TEST("G12 serve: the busy are nobody's last resort, nor is anybody where it is off",
           "[serve]") {
    need_scarcity();
    scene in(options_with_sockets(64));
    std::vector<tcp::socket> kept;
    {
        service busy(in.on, [](connection& with) -> task<> {
            const auto mark = with.busy();
            co_await echo(with);
        });
        run(in.on, come(in.on, busy.where, 5, kept));
        tcp::listener other = open_door(in.on);
        scarcity none(in.on);
        none.give(1);
        const endpoint where = opens_another(busy, std::move(other));
        run(in.on, waits_in_vain(in.on, busy, where));
    }
    settle(in.on);
    kept.clear();
    service off(in.on, &echo, {.last_resort = 0});
    run(in.on, come(in.on, off.where, 5, kept));
    tcp::listener other = open_door(in.on);
    scarcity none(in.on);
    none.give(1);
    const endpoint where = opens_another(off, std::move(other));
    run(in.on, waits_in_vain(in.on, off, where));
    settle(in.on);
}
