// SPDX-License-Identifier: BSL-1.0
// What the contract tests hold a backend in: a loop that never runs, whose network is called
// directly, in the place of the core.
#pragma once

#include "support/test.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <thole/loop.hpp>
#include <thole/tcp.hpp>

#include "core/backend.hpp"
#include "core/loop_core.hpp"

namespace thole::test {

using detail::control_request;
using detail::farewell;
using detail::request;
using detail::socket_role;
using detail::socket_state;

class rig;

// An operation with an account of how often it was reported. It may be destroyed while pending,
// which a test that fails does.
template <class Op>
class asked : public Op {
public:
    explicit asked(rig& by) noexcept : by_(by) { this->act = &report; }
    ~asked();

    // How often the backend has said that it finished.
    [[nodiscard]] int reported() const noexcept { return reported_; }
    [[nodiscard]] std::error_code error() const noexcept { return this->outcome(); }

protected:
    rig& by_;

private:
    static void report(detail::runnable& self, detail::turn) {
        auto& op = static_cast<asked&>(self);
        ++op.reported_;
        op.at = detail::stage::dispatched;
    }

    int reported_ = 0;
};

class transfer_ask : public asked<operation> {
public:
    using asked::asked;
    // Both give whether it finished at once.
    bool start(verb what, socket_state* on, std::span<std::byte> bytes);
    bool start(verb what, socket_state* on, std::span<const std::span<std::byte>> pieces);
};

class accept_ask : public asked<tcp::accept_detached_op> {
public:
    using asked::asked;
    bool start(socket_state* on);
    // What it got.
    [[nodiscard]] detail::loose_socket take() noexcept { return std::exchange(accepted, {}); }
};

// That of a socket of the loop; take() gives it.
class loop_accept : public asked<tcp::accept_op> {
public:
    using asked::asked;
    bool start(socket_state* on);
};

class connect_ask : public asked<tcp::connect_op> {
public:
    using asked::asked;
    bool start(socket_state* on, const endpoint& target, std::span<const std::byte> data = {});
};

// Both ends of one connection.
struct socket_pair {
    socket_state* client = nullptr;
    socket_state* server = nullptr;
};

class rig {
public:
    explicit rig(loop_options options = {});
    rig(const rig&) = delete;
    rig& operator=(const rig&) = delete;
    ~rig();

    loop on;
    detail::loop_core& core;
    detail::backend& net;

    // ---- The virtuals, with the core's part around them.
    [[nodiscard]] socket_state* open(socket_role role,
                                     address_family family = address_family::ipv4);
    [[nodiscard]] socket_state* adopt(const detail::loose_socket& loose, std::error_code& error);
    bool submit(operation& op);
    // What the backend's cancel() said.
    bool cancel(operation& op, detail::reason why = detail::reason::cancelled);
    void close(socket_state* state, farewell how = farewell::usual);
    // One wait; gives how many were reported.
    std::size_t wait(time_point until);
    std::error_code control(socket_state* state, request what, int value = 0);
    [[nodiscard]] endpoint name(socket_state* state, request what);

    // ---- Waits until `done()`; fails the test after ten seconds of the network's clock.
    template <class Done>
    void until(Done done) {
        const time_point guard = net.now() + std::chrono::seconds(10);
        while (!done()) {
            REQUIRE(net.now() < guard);
            wait(guard);
        }
    }
    // Until it was reported, or at once if it finished so; whatever is due then is taken as well.
    template <class Op>
    void finish(Op& op) {
        until([&] { return !op.pending(); });
        poll();
    }
    // Looks a few times, without waiting, for what should not come.
    std::size_t poll();
    // Lets the network's clock go on by as much; gives how many were reported meanwhile.
    std::size_t pass(std::chrono::milliseconds time);

    // ---- Things of use.
    [[nodiscard]] socket_state* listen(tcp::listen_options options = {});
    // A port that nobody has.
    [[nodiscard]] endpoint free_port();
    [[nodiscard]] socket_pair pair();
    [[nodiscard]] socket_pair pair(socket_state* door);
    // A client of that listener, connected; nobody has accepted it.
    [[nodiscard]] socket_state* client(socket_state* door);
    // Writes all of it; reads until `count` bytes came.
    void write(socket_state* to, std::string_view text);
    [[nodiscard]] std::string read(socket_state* from, std::size_t count);
    // Reads to the end; gives how it ended.
    std::error_code read_to_end(socket_state* from, std::string& text);
    // A write that stays pending, because nobody reads: starts it.
    void start_stuck_write(transfer_ask& op, socket_state* on);

    [[nodiscard]] bool is(std::string_view name) const noexcept { return backend() == name; }

private:
    template <class Op>
    friend class asked;
    [[nodiscard]] bool hand_over(operation& op);
    void retire(operation& op) noexcept;
    void report();

    std::vector<socket_state*> open_;
    std::vector<std::byte> plenty_;
};

template <class Op>
asked<Op>::~asked() {
    by_.retire(*this);
}

[[nodiscard]] inline std::span<std::byte> bytes_of(std::string& text) noexcept {
    return std::as_writable_bytes(std::span(text.data(), text.size()));
}

}  // namespace thole::test
