// SPDX-License-Identifier: BSL-1.0
// A pair whose port strangers reach before its own end does.
#include <thole/pair.hpp>

#include "rig.hpp"

namespace {

using namespace thole;
using namespace thole::test;

THOLE_TEST("R51: strangers at the port of a pair are turned away", "[scripted]") {
    for (const backend_kind kind : kinds_here()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        std::vector<raw::socket> strangers;
        script::on("listen").then([&](script::call& c) {
            raw::socket door(static_cast<std::uintptr_t>(c.handle));
            for (int i = 0; i < 3; ++i) {
                strangers.push_back(raw::socket::connect(door.local()));
            }
            door.give();
        });
        auto both = r.on.block_on(tcp::pair(r.on, within(5s)));
        REQUIRE(both);
        REQUIRE(strangers.size() == 3);
        CHECK(*both->first.local() == *both->second.peer());
        CHECK(*both->second.local() == *both->first.peer());
        for (raw::socket& stranger : strangers) {
            const raw::ending how = stranger.receive(1).how;
            CHECK((how == raw::ending::end_of_stream || how == raw::ending::reset));
        }
    }
}

}  // namespace
