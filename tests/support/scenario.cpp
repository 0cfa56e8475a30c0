// SPDX-License-Identifier: BSL-1.0
#include "support/scenario.hpp"

#include <algorithm>
#include <exception>

#include "support/forbidden.hpp"

namespace thole::test {
namespace {

[[maybe_unused]] const bool asked_first = (what_forbids = &what_forbids_io_uring, true);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

task<tcp::socket> accepted(tcp::listener& door) {
    auto got = co_await door.accept();
    REQUIRE(got.error() == no_error);
    co_return std::move(*got);
}

}  // namespace

// Any thread, so without an assertion; the scene has one.
backend_kind kind_of_run() { return parse_backend(backend()).value_or(backend_kind::automatic); }

loop_options options_of_run() { return {.backend = kind_of_run()}; }

loop_options two_buffers() {
    loop_options options = options_of_run();
    options.lent_buffer_size = 64;
    options.lent_buffers = 2;
    return options;
}
bool on_sim() { return kind_of_run() == backend_kind::sim; }
bool on_iocp() { return kind_of_run() == backend_kind::iocp; }
bool on_uring() { return kind_of_run() == backend_kind::io_uring; }
std::size_t rounds() { return sanitized || on_iocp() ? 200 : 2000; }

std::span<const std::byte> bulk() {
    // Loopback takes about 4 MB before it blocks (cases.md 6.2).
    static const std::vector<std::byte> bytes = [] {
        std::vector<std::byte> made(std::size_t{16} << 20);
        for (std::size_t i = 0; i < made.size(); ++i) {
            made[i] = static_cast<std::byte>((i * 31 + (i >> 8)) & 0xff);
        }
        return made;
    }();
    return bytes;
}

scene::scene(loop_options options)
    : handles_before_(raw::open_handles()), held_(options), on(*held_) {
    REQUIRE(on.error() == no_error);
    CHECK(on.backend().name == backend());
}

scene::~scene() {
    held_.reset();
    // Wine's own threads open and close handles behind our back: one case counts there over many
    // rounds instead (close_test.cpp).
    if (!on_iocp() && std::uncaught_exceptions() == 0) {
        CHECK(raw::open_handles() == handles_before_);
    }
}

void settle(loop& on) {
    const time_point start = on.now();
    const auto ran = on.run_for(patience);
    REQUIRE(ran.error() == no_error);
    REQUIRE(on.now() - start < patience);
    if (on.stopped()) {
        on.restart();
    }
}

void turn(loop& on) { REQUIRE(on.poll().error() == no_error); }

tcp::listener open_door(loop& on, address_family family, tcp::listen_options options) {
    auto door = tcp::listener::open(on, endpoint::loopback(family, 0), options);
    REQUIRE(door.error() == no_error);
    return std::move(*door);
}

task<pair> connected(loop& on, tcp::listener& door) {
    const auto where = door.local();
    REQUIRE(where.error() == no_error);
    auto accepting = on.spawn(accepted(door));
    auto made = co_await tcp::connect(on, *where);
    REQUIRE(made.error() == no_error);
    tcp::socket there = co_await accepting;
    co_return pair(std::move(*made), std::move(there));
}

pair make_pair(loop& on) {
    tcp::listener door = open_door(on);
    return run(on, connected(on, door));
}

tcp::socket adopted(loop& on, raw::socket& from) {
    auto loose = tcp::detached_socket::adopt(from.native());
    REQUIRE(loose.error() == no_error);
    from.give();
    auto made = std::move(*loose).attach(on);
    REQUIRE(made.error() == no_error);
    return std::move(*made);
}

closed_port::closed_port() {
    if (on_sim()) {
        where_ = endpoint::loopback(address_family::ipv4, 9);  // nobody listens there
    } else {
        held_ = raw::socket::bind(address_family::ipv4, -1);
        where_ = held_.local();
    }
}

silent_port::silent_port(loop& on) {
    if (!on_sim()) {
        where_ = raw_.emplace().where();
        return;
    }
    door_ = open_door(on, address_family::ipv4, {.backlog = 1, .standing_accepts = 1});
    where_ = *door_.local();
    for (;;) {  // until the backlog is full
        auto made = on.block_on([](loop& in, endpoint to) -> task<result<tcp::socket>> {
            co_return co_await tcp::connect(in, to, within(1ms));
        }(on, where_));
        if (!made) {
            REQUIRE(made.error() == errc::deadline_reached);
            return;
        }
        waiting_.push_back(std::move(*made));
        REQUIRE(waiting_.size() < 4096);
    }
}

void journal::note(std::string_view who, std::error_code error, std::size_t count) {
    entries_.push_back({who, error, count});
    if (stops_ != nullptr && entries_.size() == stop_count_) {
        stops_->stop();
    }
}

std::size_t journal::times(std::string_view who) const {
    return static_cast<std::size_t>(std::count_if(
        entries_.begin(), entries_.end(), [who](const entry& one) { return one.who == who; }));
}

const journal::entry& journal::of(std::string_view who) const {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [who](const entry& one) { return one.who == who; });
    INFO("who: " << who);
    REQUIRE(found != entries_.end());
    return *found;
}

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

task<> send(tcp::socket& to, std::string_view text) {
    const transfer sent = co_await to.write(bytes_of(text));
    CHECK(sent.error == no_error);
    CHECK(sent.count == text.size());
}

task<> expect(tcp::socket& from, std::string_view text) {
    std::string got(text.size(), '\0');
    const transfer came = co_await from.read_exactly(std::as_writable_bytes(std::span(got)));
    CHECK(came.error == no_error);
    CHECK(got == text);
}

task<transfer> drain(tcp::socket& from) {
    std::vector<std::byte> buffer(std::size_t{1} << 16);
    transfer all;
    while (!all.error) {
        const auto got = co_await from.read(buffer);
        all.error = got.error();
        all.count += got ? *got : 0;
    }
    co_return all;
}

void baton::pass() {
    {
        const std::lock_guard lock(mutex_);
        ++passed_;
    }
    changed_.notify_one();
}

void baton::wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return passed_ > 0; });
    --passed_;
}

}  // namespace thole::test
