// SPDX-License-Identifier: BSL-1.0
// Both ends of one connection.
#include "support/scenario.hpp"

using namespace thole;
using namespace thole::test;

THOLE_TEST("a pair is connected with itself", "[pair]") {
    scene in;
    auto made = in.on.block_on(tcp::pair(in.on, within(patience)));
    REQUIRE(made.error() == no_error);
    CHECK(*made->first.local() == *made->second.peer());
    CHECK(*made->second.local() == *made->first.peer());
    run(in.on, send(made->first, "hello"));
    run(in.on, expect(made->second, "hello"));
    run(in.on, send(made->second, "back"));
    run(in.on, expect(made->first, "back"));
    made->first.close();
    CHECK(run(in.on, drain(made->second)).error == errc::end_of_stream);
}

THOLE_TEST("many pairs are each connected with themselves", "[pair]") {
    scene in;
    std::vector<tcp::socket_pair> many;
    for (int i = 0; i < 20; ++i) {
        auto made = in.on.block_on(tcp::pair(in.on));
        REQUIRE(made.error() == no_error);
        many.push_back(std::move(*made));
    }
    for (std::size_t i = 0; i < many.size(); ++i) {
        run(in.on, send(many[i].first, std::to_string(i)));
    }
    for (std::size_t i = 0; i < many.size(); ++i) {
        run(in.on, expect(many[i].second, std::to_string(i)));
    }
}

THOLE_TEST("a pair that comes too late leaves nothing open", "[pair]") {
    scene in;
    const auto made = in.on.block_on(tcp::pair(in.on, within(0s)));
    CHECK(made.error() == errc::deadline_reached);
}
