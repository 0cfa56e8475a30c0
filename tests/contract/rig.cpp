// SPDX-License-Identifier: BSL-1.0
#include "contract/rig.hpp"

#include <algorithm>

#include "support/forbidden.hpp"

namespace thole::test {
namespace {

[[maybe_unused]] const bool asked_first = (what_forbids = &what_forbids_io_uring, true);

}  // namespace

using detail::reason;
using detail::stage;

namespace {

loop_options of_run(loop_options options) {
    options.backend = parse_backend(backend()).value();
    return options;
}

}  // namespace

rig::rig(loop_options options) : on(of_run(options)), core(*on.core()), net(*core.network) {
    INFO(on.backend().reason);
    REQUIRE_FALSE(on.error());
}

rig::~rig() {
    while (!open_.empty()) {
        close(open_.back());
    }
    while (net.held() > 0) {
        wait(net.now() + std::chrono::seconds(1));
    }
}

socket_state* rig::open(socket_role role, address_family family) {
    std::error_code error;
    socket_state* state = net.open({role, family}, error);
    INFO(error.message());
    REQUIRE(state != nullptr);
    REQUIRE_FALSE(error);
    core.enlist(*state);
    open_.push_back(state);
    return state;
}

socket_state* rig::adopt(const detail::loose_socket& loose, std::error_code& error) {
    socket_state* state = net.adopt(loose, error);
    if (state != nullptr) {
        core.enlist(*state);
        open_.push_back(state);
    }
    return state;
}

// As the core does it: a backend that takes some operations by a plain function is asked that
// first.
bool rig::hand_over(operation& op) {
    const bool writes = op.what == verb::write;
    const bool plain = writes || op.what == verb::read || op.what == verb::receive;
    const detail::backend::hand_function take = writes ? net.take_write : net.take_read;
    return plain && !op.vectored && take != nullptr && take(op);
}

bool rig::submit(operation& op) {
    if (hand_over(op)) {
        return false;
    }
    const bool done = net.submit(op);
    op.at = done ? stage::dispatched : stage::submitted;
    core.pending += done ? 0 : 1;
    return done;
}

bool rig::cancel(operation& op, reason why) {
    op.why = why;
    const bool back = net.cancel(op);
    if (back) {
        core.finished(op);
        report();
    }
    return back;
}

void rig::close(socket_state* state, farewell how) {
    std::erase(open_, state);
    core.close(*state, how);
    report();
}

std::size_t rig::wait(time_point until) {
    detail::completions finished(core);
    const std::size_t before = core.pending;
    const std::error_code error = net.wait(until, finished);
    report();
    INFO(error.message());
    REQUIRE_FALSE(error);
    return before - core.pending;
}

std::error_code rig::control(socket_state* state, request what, int value) {
    control_request asks{what, {}, value, {}};
    return net.control(*state, asks);
}

endpoint rig::name(socket_state* state, request what) {
    control_request asks{what};
    const std::error_code error = net.control(*state, asks);
    INFO(error.message());
    REQUIRE_FALSE(error);
    return asks.address;
}

std::size_t rig::poll() {
    std::size_t count = 0;
    for (int i = 0; i < 3; ++i) {
        count += wait(time_point::min());
    }
    return count;
}

std::size_t rig::pass(std::chrono::milliseconds time) {
    const time_point end = net.now() + time;
    std::size_t count = 0;
    while (net.now() < end) {
        count += wait(end);
    }
    return count;
}

// The core's queue, as its turn would run it.
void rig::report() {
    while (detail::runnable* item = core.ready.pop()) {
        item->act(*item, detail::turn::run);
    }
}

void rig::retire(operation& op) noexcept {
    if (op.pending()) {
        core.cancel(op, reason::cancelled);
    }
    while (op.pending()) {
        detail::completions finished(core);
        if (net.wait(time_point::max(), finished)) {
            return;
        }
    }
    report();
}

// ---- Things of use.

socket_state* rig::listen(tcp::listen_options options) {
    socket_state* door = open(socket_role::listener);
    control_request asks{request::listen, endpoint::loopback(address_family::ipv4, 0), 0, options};
    const std::error_code error = net.control(*door, asks);
    INFO(error.message());
    REQUIRE_FALSE(error);
    return door;
}

endpoint rig::free_port() {
    socket_state* door = listen();
    const endpoint where = name(door, request::local_name);
    close(door);
    until([&] { return net.held() == 0; });
    return where;
}

socket_state* rig::client(socket_state* door) {
    socket_state* made = open(socket_role::stream);
    connect_ask connecting(*this);
    connecting.start(made, name(door, request::local_name));
    finish(connecting);
    INFO(connecting.error().message());
    REQUIRE_FALSE(connecting.error());
    return made;
}

socket_pair rig::pair() {
    socket_state* door = listen();
    const socket_pair made = pair(door);
    close(door);
    return made;
}

socket_pair rig::pair(socket_state* door) {
    accept_ask accepting(*this);
    accepting.start(door);
    socket_pair made{client(door), nullptr};
    finish(accepting);
    INFO(accepting.error().message());
    REQUIRE_FALSE(accepting.error());
    std::error_code error;
    made.server = adopt(accepting.take(), error);
    INFO(error.message());
    REQUIRE(made.server != nullptr);
    return made;
}

void rig::write(socket_state* to, std::string_view text) {
    std::string copy(text);
    transfer_ask writing(*this);
    writing.start(verb::write, to, bytes_of(copy));
    finish(writing);
    INFO(writing.error().message());
    REQUIRE_FALSE(writing.error());
    REQUIRE(writing.count == text.size());
}

std::string rig::read(socket_state* from, std::size_t count) {
    std::string text(count, '-');
    transfer_ask reading(*this);
    reading.start(verb::read_exactly, from, bytes_of(text));
    finish(reading);
    INFO(reading.error().message());
    REQUIRE_FALSE(reading.error());
    REQUIRE(reading.count == count);
    return text;
}

std::error_code rig::read_to_end(socket_state* from, std::string& text) {
    std::string buffer(64 * 1024, '-');
    for (;;) {
        transfer_ask reading(*this);
        reading.start(verb::read, from, bytes_of(buffer));
        finish(reading);
        if (reading.error()) {
            return reading.error();
        }
        REQUIRE(reading.count > 0);
        text.append(buffer, 0, reading.count);
    }
}

void rig::start_stuck_write(transfer_ask& op, socket_state* on_socket) {
    plenty_.resize(std::size_t{32} * 1024 * 1024, std::byte{'x'});
    REQUIRE_FALSE(op.start(verb::write, on_socket, plenty_));
    pass(std::chrono::milliseconds(50));
    REQUIRE(op.pending());
}

// ---- Operations.

bool transfer_ask::start(verb asks, socket_state* on, std::span<std::byte> bytes) {
    reset(asks, on, never);
    buffer = bytes.data();
    length = bytes.size();
    vectored = false;
    return by_.submit(*this);
}

bool transfer_ask::start(verb asks, socket_state* on,
                         std::span<const std::span<std::byte>> pieces) {
    reset(asks, on, never);
    buffer = const_cast<std::span<std::byte>*>(pieces.data());
    length = pieces.size();
    vectored = true;
    return by_.submit(*this);
}

bool accept_ask::start(socket_state* on) {
    reset(verb::accept_detached, on, never);
    return by_.submit(*this);
}

bool loop_accept::start(socket_state* on) {
    reset(verb::accept, on, never);
    return by_.submit(*this);
}

bool connect_ask::start(socket_state* on, const endpoint& target, std::span<const std::byte> data) {
    prepare(by_.on, target);
    state = on;
    buffer = const_cast<std::byte*>(data.data());
    length = data.size();
    return by_.submit(*this);
}

}  // namespace thole::test
