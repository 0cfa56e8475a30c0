// SPDX-License-Identifier: BSL-1.0
// A stranger that connects to the port of a pair before its own end does.
#include <thole/pair.hpp>

#include "rig.hpp"

namespace {

using namespace thole;
using namespace thole::test;

std::vector<backend_kind> kinds() {
    if (raw::is_windows()) {
        return {backend_kind::iocp};
    }
    return {backend_kind::epoll, backend_kind::select};
}

task<result<tcp::socket_pair>> made(loop& on) { co_return co_await tcp::pair(on, within(10s)); }

task<bool> talks(tcp::socket_pair& both) {
    const transfer sent = co_await both.first.write(bytes_of("thole"), within(5s));
    std::byte got[5] = {};
    const transfer came = co_await both.second.read_exactly(got, within(5s));
    co_return sent&& came;
}

THOLE_TEST("R51: strangers that come first are sent away", "[scripted]") {
    for (const backend_kind kind : kinds()) {
        CAPTURE(to_string(kind));
        rig r(kind);
        std::vector<raw::socket> strangers;
        script::on("listen").then([&strangers](script::call& listening) {
            const endpoint where = raw::local_of(static_cast<std::uintptr_t>(listening.handle));
            for (int i = 0; i < 3; ++i) {
                strangers.push_back(raw::socket::connect(where));
            }
        });
        auto both = r.run(made(r.on));
        REQUIRE(both.error() == std::error_code());
        REQUIRE(strangers.size() == 3);
        CHECK(*both->first.local() == *both->second.peer());
        CHECK(*both->first.peer() == *both->second.local());
        CHECK(r.run(talks(*both)));
        for (raw::socket& each : strangers) {
            CHECK(each.receive(1).how != raw::ending::bytes);
            CHECK(each.local() != *both->second.peer());
        }
    }
}

}  // namespace
