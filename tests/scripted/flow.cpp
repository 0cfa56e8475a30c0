// SPDX-License-Identifier: BSL-1.0
#include "flow.hpp"

#include <algorithm>

namespace thole::test {
namespace {

// Far more than any flow needs: what reaches it hangs.
constexpr auto far_off = 5s;

// Lets the loop run while the flow's tasks are not over.
class watch {
public:
    watch(loop& on, account& of, int tasks)
        : on_(on), of_(of), tasks_(tasks), limit_(on, &expired, this) {
        static_cast<void>(limit_.arm(within(4 * far_off)));
    }
    // A task is over.
    void leave() {
        if (--tasks_ == 0) {
            limit_.disarm();
        }
    }
    // A wait that fails ends run(), not the flow.
    void run() {
        for (int i = 0; i < 8 && tasks_ > 0 && !of_.hung; ++i) {
            if (const auto ran = on_.run(); !ran) {
                of_.errors.push_back(ran.error());
            }
        }
        limit_.disarm();
    }

private:
    static void expired(void* self) {
        static_cast<watch*>(self)->of_.hung = true;
        static_cast<watch*>(self)->on_.stop();
    }

    loop& on_;
    account& of_;
    int tasks_;
    timer limit_;
};

std::vector<std::span<const std::byte>> in_pieces(std::span<const std::byte> bytes) {
    const std::size_t half = bytes.size() / 2;
    return {bytes.first(half), bytes.subspan(half)};
}

// ---- Echo.

task<bool> serve(tcp::listener& door, account& of, std::size_t size) {
    of.begin();
    auto peer = co_await door.accept(within(far_off));
    if (!of.end(peer.error())) {
        co_return false;
    }
    std::vector<std::byte> bytes(size);
    of.begin();
    const transfer got = co_await peer->read_exactly(bytes, within(far_off));
    if (!of.end(got.error)) {
        co_return false;
    }
    of.begin();
    const transfer sent = co_await peer->write(bytes, within(far_off));
    if (!of.end(sent.error)) {
        co_return false;
    }
    of.begin();
    const auto last = co_await peer->read(bytes, within(far_off));
    of.end(last.error());
    co_return last.error() == errc::end_of_stream;
}

task<bool> ask(loop& on, endpoint where, account& of, const std::string& text) {
    of.begin();
    auto peer = co_await tcp::connect(on, where, {.no_delay = true}, within(far_off));
    if (!of.end(peer.error())) {
        co_return false;
    }
    const auto out = in_pieces(bytes_of(text));
    of.begin();
    const transfer sent = co_await peer->write(tcp::gather(out), within(far_off));
    if (!of.end(sent.error)) {
        co_return false;
    }
    std::string back(text.size(), '\0');
    const auto all = std::as_writable_bytes(std::span(back));
    const std::span<std::byte> in[] = {all.first(1), all.subspan(1)};
    of.begin();
    const transfer got = co_await peer->read_exactly(tcp::scatter(in), within(far_off));
    if (!of.end(got.error) || peer->shutdown_write().error()) {
        co_return false;
    }
    std::byte more[8];
    of.begin();
    const auto last = co_await peer->read(more, within(far_off));
    of.end(last.error());
    co_return back == text&& last.error() == errc::end_of_stream;
}

task<> server_side(tcp::listener& door, account& of, watch& over, bool& well, std::size_t size) {
    well = co_await serve(door, of, size);
    door.close();  // whoever is still in its queue is told
    over.leave();
}

task<> client_side(loop& on, tcp::listener& door, account& of, watch& over, bool& well,
                   const std::string& text) {
    const result<endpoint> where = door.local();
    if (where) {
        well = co_await ask(on, *where, of, text);
    }
    door.close();  // an accept that nobody will come to any more ends
    over.leave();
}

// ---- Connects.

task<std::error_code> attempt(loop& on, endpoint to, account& of, tcp::connect_options options) {
    of.begin();
    auto made = co_await tcp::connect(on, to, options, within(far_off));
    of.end(made.error());
    if (made) {
        made->abort();
    }
    co_return made.error();
}

task<> connects(loop& on, endpoint closed, endpoint open, endpoint silent, account& of,
                watch& over) {
    const std::error_code refused = co_await attempt(on, closed, of, {});
    const tcp::connect_options from{.local = endpoint::loopback(address_family::ipv4, 0),
                                    .no_delay = true};
    const std::error_code made = co_await attempt(on, open, of, from);
    auto waiting = on.spawn(attempt(on, silent, of, {}));
    co_await yield();
    waiting.cancel();
    const std::error_code cancelled = co_await waiting;
    of.complete = refused == std::errc::connection_refused && !made && cancelled == errc::cancelled;
    over.leave();
}

}  // namespace

bool account::end(const std::error_code& error) {
    ++ended;
    if (error) {
        errors.push_back(error);
        late += error == errc::deadline_reached ? 1U : 0U;
    }
    return !error;
}

account echo_flow(backend_kind kind, const std::string& text) {
    account of;
    loop on(loop_options{.backend = kind});
    auto door = tcp::listener::open(on, endpoint::loopback(address_family::ipv4, 0));
    if (!on || !door) {
        of.errors.push_back(door.error());
        return of;
    }
    bool served = false;
    bool answered = false;
    {
        watch over(on, of, 2);
        on.spawn(server_side(*door, of, over, served, text.size()));
        on.spawn(client_side(on, *door, of, over, answered, text));
        over.run();
    }
    of.complete = served && answered;
    return of;
}

account connect_flow(backend_kind kind) {
    account of;
    raw::socket closed = raw::socket::bind(address_family::ipv4, -1);
    raw::socket open = raw::socket::bind(address_family::ipv4, 5);
    raw::silent_port silent;
    loop on(loop_options{.backend = kind});
    if (!on) {
        of.errors.push_back(on.error());
        return of;
    }
    watch over(on, of, 1);
    on.spawn(connects(on, closed.local(), open.local(), silent.where(), of, over));
    over.run();
    return of;
}

namespace {

// Counts what is told to a callback.
struct told {
    account* of;
    template <class R>
    void operator()(const R& end) const {
        if constexpr (std::is_same_v<R, transfer>) {
            of->end(end.error);
        } else {
            of->end(end.error());
        }
    }
};

}  // namespace

account end_flow(backend_kind kind) {
    static const std::vector<std::byte> bulk(std::size_t{8} << 20);  // more than the system takes
    account of;
    std::byte buffer[8];
    raw::socket open = raw::socket::bind(address_family::ipv4, 5);
    raw::silent_port silent;
    callback<tcp::accept_op, told> waits_for_client{told{&of}};
    callback<tcp::connect_op, told> waits_for_answer{told{&of}};
    callback<tcp::read_op, told> waits_for_bytes{told{&of}};
    callback<tcp::write_op, told> waits_for_room{told{&of}};
    tcp::listener door;
    tcp::socket here;
    {
        loop on(loop_options{.backend = kind});
        if (auto got = tcp::listener::open(on, endpoint::loopback(address_family::ipv4, 0))) {
            door = std::move(*got);
            waits_for_client.start(door);
        }
        waits_for_answer.start(on, silent.where(), tcp::connect_options{});
        if (auto got = on.block_on(dial(on, open.local(), within(far_off)))) {
            here = std::move(*got);
            waits_for_bytes.start(here, buffer);
            waits_for_room.start(here, bulk);
        }
        static_cast<void>(on.poll());
        of.started = of.ended;  // what could not be started, or has failed, has been told
        of.complete = waits_for_client.pending() && waits_for_answer.pending() &&
                      waits_for_bytes.pending() && waits_for_room.pending();
    }
    of.hung = waits_for_client.pending() || waits_for_answer.pending() ||
              waits_for_bytes.pending() || waits_for_room.pending();
    return of;
}

namespace {

// The nth call of all, and those that follow it at once, fail.
struct fault {
    int n;
    int in_a_row;
    std::size_t variant;  // of its errors
};

// Gives false when the flow had fewer calls.
bool survives(const flow& run, backend_kind kind, std::span<const failing_call> failures,
              const fault& planned) {
    std::string names;
    bool known_all = true;
    script::reset();
    script::rule& failing = script::on_any().from(planned.n).times(planned.in_a_row);
    failing.instead([&](script::call& c) {
        const auto known = std::ranges::find(failures, c.name, &failing_call::name);
        names += std::string(c.name) + " ";
        if (known == failures.end()) {
            known_all = false;
            return std::intptr_t{-1};
        }
        if (known->before != nullptr) {
            known->before(c);
        }
        c.error = known->errors[planned.variant % known->errors.size()];
        return known->result;
    });
    const account got = run(kind);
    const bool used = failing.used() > 0;
    CAPTURE(to_string(kind), planned.n, planned.in_a_row, planned.variant, names);
    CHECK(known_all);
    CHECK_FALSE(got.hung);
    CHECK(got.late == 0);
    CHECK(got.started == got.ended);
    CHECK((used || got.complete));
    return used;
}

}  // namespace

void fail_each_call(const flow& run, backend_kind kind, std::span<const failing_call> failures,
                    const std::function<void()>& settled) {
    const account warm = run(kind);  // what is asked once a process has been asked
    CHECK(warm.complete);
    for (const int in_a_row : {1, 3}) {
        for (std::size_t variant = 0; variant < 3; ++variant) {
            for (int n = 0; survives(run, kind, failures, {n, in_a_row, variant}); ++n) {
                REQUIRE(n < 1000);
                settled();
            }
        }
    }
    script::reset();
}

void check_closed(std::span<const std::string_view> makers,
                  std::span<const std::string_view> closers) {
    std::vector<std::intptr_t> open;
    std::size_t twice = 0;
    for (const script::call& one : script::calls()) {
        if (std::ranges::find(makers, one.name) != makers.end() && one.result != -1 &&
            one.result != 0) {
            open.push_back(one.result);
        } else if (std::ranges::find(closers, one.name) != closers.end()) {
            twice += std::erase(open, one.handle) == 1 ? 0U : 1U;
        }
    }
    CHECK(open.empty());
    CHECK(twice == 0);
}

}  // namespace thole::test
