// SPDX-License-Identifier: BSL-1.0
// Two directions that go their own ways, and a peer that does not read.
#include "support/scenario.hpp"

#include <algorithm>

using namespace thole;
using namespace thole::test;

THOLE_TEST("RW08 a read and a write at once do not touch each other", "[transfer]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    std::byte buffer[8];
    noting<tcp::read_op> reading{noted{&log, "read"}};
    reading.start(both.here, buffer);
    turn(in.on);
    for (int i = 0; i < 10; ++i) {  // writes end while the read waits
        run(in.on, send(both.here, "out"));
        run(in.on, expect(both.there, "out"));
    }
    CHECK(reading.pending());
    noting<tcp::write_op> writing{noted{&log, "write"}};
    writing.start(both.here, bulk());
    turn(in.on);
    REQUIRE(writing.pending());
    for (std::size_t i = 0; i < 10; ++i) {  // reads end while the write waits
        run(in.on, send(both.there, "in"));
        run_until(in.on, [&] { return log.times("read") == i + 1; });
        CHECK(text_of(std::span(buffer).first(2)) == "in");
        CHECK(writing.pending());
        reading.start(both.here, buffer);
    }
    reading.cancel();
    std::vector<std::byte> arrived(bulk().size());
    noting<tcp::read_exactly_op> receiving{noted{&log, "receive"}};
    receiving.start(both.there, std::span(arrived));
    settle(in.on);
    CHECK(log.of("write").error == no_error);
    CHECK(log.of("receive").count == bulk().size());
    CHECK(std::equal(arrived.begin(), arrived.end(), bulk().begin()));
}

THOLE_TEST("RW09 the peer does not read: the write waits, goes on, and is exact", "[transfer]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noting<tcp::write_op> writing{noted{&log, "write"}};
    writing.start(both.here, bulk());
    CHECK(in.on.run_for(20ms).error() == no_error);
    CHECK(log.size() == 0);
    REQUIRE(writing.pending());

    std::vector<std::byte> arrived(bulk().size());
    const std::span all(arrived);
    noting<tcp::read_exactly_op> receiving{noted{&log, "receive"}};
    std::size_t taken = 0;
    std::size_t ends = 0;
    for (const std::size_t part : {std::size_t{1}, std::size_t{65'536}, std::size_t{1'000'000}}) {
        receiving.start(both.there, all.subspan(taken, part));
        ++ends;
        run_until(in.on, [&] { return log.times("receive") == ends; });
        taken += part;
    }
    CHECK(log.times("write") == 0);  // most of it is still ours
    CHECK(writing.pending());
    receiving.start(both.there, all.subspan(taken));
    settle(in.on);
    CHECK(log.times("write") == 1);
    CHECK(log.of("write").error == no_error);
    CHECK(log.of("write").count == bulk().size());
    CHECK(std::equal(arrived.begin(), arrived.end(), bulk().begin()));
}

THOLE_TEST("RW10 R62 one write at a time: what is refused is not sent, the rest in order",
           "[transfer]") {
    scene in;
    pair both = make_pair(in.on);
    journal log;
    noting<tcp::write_op> first{noted{&log, "first"}};
    noting<tcp::write_op> second{noted{&log, "second"}};
    first.start(both.here, bulk());
    turn(in.on);
    REQUIRE(first.pending());
    log.stop_at(in.on, 1);
    second.start(both.here, bytes_of("overtaken"));
    settle(in.on);
    CHECK(log.of("second").error == errc::operation_in_progress);
    CHECK(log.of("second").count == 0);
    std::vector<std::byte> arrived(bulk().size());
    noting<tcp::read_exactly_op> receiving{noted{&log, "receive"}};
    receiving.start(both.there, std::span(arrived));
    settle(in.on);
    CHECK(log.of("first").count == bulk().size());
    CHECK(std::equal(arrived.begin(), arrived.end(), bulk().begin()));
    std::string expected;
    for (char letter = 'a'; letter <= 'z'; ++letter) {
        run(in.on, send(both.here, std::string(2, letter)));
        expected += std::string(2, letter);
    }
    run(in.on, expect(both.there, expected));
}
