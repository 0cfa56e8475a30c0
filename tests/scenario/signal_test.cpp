// SPDX-License-Identifier: BSL-1.0
// What a system does to a process for its sockets: a signal for a peer that is gone, an event for a
// socket that lives on elsewhere, a wait for what is to be sent.
#include "support/raw_process.hpp"
#include "support/scenario.hpp"

#include <array>
#include <ctime>

using namespace thole;
using namespace thole::test;

namespace {

// ---- R72

enum class path { write, write_some, gather, gather_some, callback, first_data, count };

const std::array<std::span<const std::byte>, 2> pieces{bytes_of("two "), bytes_of("pieces")};

task<std::error_code> write_once(tcp::socket& to, path by) {
    transfer sent;
    result<std::size_t> some{std::size_t{0}};
    switch (by) {
    case path::write_some:
        some = co_await to.write_some(bytes_of("x"));
        break;
    case path::gather:
        sent = co_await to.write(pieces);
        break;
    case path::gather_some:
        some = co_await to.write_some(pieces);
        break;
    default:
        sent = co_await to.write(bytes_of("x"));
        break;
    }
    co_return some ? sent.error : some.error();
}

struct keeps_error {
    std::error_code* last;
    void operator()(const transfer& end) const { *last = end.error; }
};

std::error_code write_by(loop& on, tcp::socket& to, path by) {
    std::error_code last;
    if (by == path::callback) {
        callback<tcp::write_op, keeps_error> writing{keeps_error{&last}};
        writing.start(to, bytes_of("x"));
        static_cast<void>(on.run());
    } else {
        last = on.block_on(write_once(to, by)).value();
    }
    return last;
}

task<result<tcp::socket>> dialled(loop& on, endpoint to, path by) {
    if (by != path::first_data) {
        co_return co_await tcp::connect(on, to);
    }
    auto made = co_await tcp::connect_with_data(on, to, bytes_of("x"));
    if (!made) {
        co_return unexpected(made.error());
    }
    co_return std::move(made->socket);
}

// Writes until it is told that the peer is gone, then twice more, by that path. True: it was told.
bool writes_to_the_gone(loop& on, path by) {
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    auto made = on.block_on(dialled(on, door.local(), by));
    raw::socket peer = door.accept();
    if (!made) {
        return false;
    }
    peer.close();
    std::error_code last;
    for (int i = 0; i < 100 && !last; ++i) {  // the first one is taken, and answered with a reset
        last = write_by(on, *made, by);
    }
    const bool told = last == std::errc::broken_pipe || last == std::errc::connection_reset;
    return told && write_by(on, *made, by) && write_by(on, *made, by);
}

// A write that waits while its peer goes.
bool waits_for_the_gone(loop& on) {
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    auto made = on.block_on(dialled(on, door.local(), path::write));
    raw::socket peer = door.accept();
    std::error_code last;
    callback<tcp::write_op, keeps_error> writing{keeps_error{&last}};
    writing.start(*made, bulk());
    static_cast<void>(on.poll());
    const bool waited = writing.pending();
    peer.reset();
    static_cast<void>(on.run_for(patience));
    return waited && (last == std::errc::broken_pipe || last == std::errc::connection_reset) &&
           write_by(on, *made, path::write);
}

int lives_with_sigpipe(void*) {
    raw::let_sigpipe_kill();
    loop on(options_of_run());
    int told = 0;
    for (int by = 0; by < static_cast<int>(path::count); ++by) {
        told += writes_to_the_gone(on, static_cast<path>(by)) ? 1 : 0;
    }
    told += waits_for_the_gone(on) ? 1 : 0;
    return told;
}

}  // namespace

THOLE_TEST("R72 SIGPIPE kills nobody, whichever way one writes to who is gone", "[transfer]") {
    if (on_sim()) {
        skip("the simulated network sends no signals");
    }
    if (raw::is_windows()) {
        skip("Windows has no SIGPIPE");
    }
    // -1: it was killed.
    CHECK(raw::in_forked_child(&lives_with_sigpipe, nullptr) == static_cast<int>(path::count) + 1);
}

// ---- R67

// A second descriptor is what another process would have: the socket, and with it what the poller
// was told to watch, outlives our close.
THOLE_TEST("R67 a socket that lives on in a second descriptor: nobody hears of it any more",
           "[close]") {
    if (on_sim()) {
        skip("the simulated network has no descriptors");
    }
    if (raw::is_windows()) {
        skip("a handle's duplicate is no news for a completion port: only its operations are");
    }
    scene in;
    raw::socket door = raw::socket::bind(address_family::ipv4, 5);
    raw::socket made = raw::socket::connect(door.local());
    raw::socket peer = door.accept();
    raw::socket twin(raw::duplicate(made.native()));
    tcp::socket here = adopted(in.on, made);
    journal log;
    std::byte buffer[8];
    noting<tcp::read_op> reading{noted{&log, "old"}};
    noting<tcp::read_op> fresh{noted{&log, "fresh"}};
    reading.start(here, std::span(buffer));
    turn(in.on);
    here.close();
    settle(in.on);
    CHECK(log.of("old").error == errc::closed);

    pair both = make_pair(in.on);  // has the old one's number
    fresh.start(both.here, std::span(buffer));
    for (int i = 0; i < 5; ++i) {
        peer.send("x");
        turn(in.on);
        turn(in.on);
    }
    const std::clock_t before = std::clock();
    CHECK(in.on.run_for(300ms).error() == no_error);
    CHECK(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC < 0.1);
    CHECK(log.size() == 1);
    CHECK(fresh.pending());
    CHECK(twin.receive_all(5).bytes == "xxxxx");
    run(in.on, send(both.there, "new"));
    settle(in.on);
    CHECK(log.of("fresh").error == no_error);
    CHECK(text_of(std::span(buffer).first(log.of("fresh").count)) == "new");
}

// ---- R110

// Who has set a time to linger before is not made to wait for it: that would be a minute.
THOLE_TEST("R110 a destructor does not wait for what is unsent", "[close]") {
    if (on_sim()) {
        skip("the simulated network has no sockets of the system's");
    }
    for (const bool unread : {false, true}) {
        CAPTURE(unread);
        scene in;
        raw::socket door = raw::socket::bind(address_family::ipv4, 5);
        raw::socket made = raw::socket::connect(door.local());
        raw::socket peer = door.accept();  // never reads
        made.set_linger(60);
        std::optional<tcp::socket> here(adopted(in.on, made));
        journal log;
        noting<tcp::write_op> writing{noted{&log, "write"}};
        writing.start(*here, bulk());
        turn(in.on);
        REQUIRE(writing.pending());
        if (unread) {
            peer.send("unread");
        }
        const auto before = std::chrono::steady_clock::now();
        here.reset();
        settle(in.on);  // IOCP and io_uring close a turn later
        CHECK(std::chrono::steady_clock::now() - before < patience);
        CHECK(log.of("write").error == errc::closed);
    }
}
