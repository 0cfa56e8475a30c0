// SPDX-License-Identifier: BSL-1.0
// Where a scenario plays: a client's driver, a server's driver, and the trace of what they told.
//
// The two loops run by turns in one thread. A step comes into the trace when the scenario awaits
// it, not when it ends, so that a trace does not depend on which of two ends came first; where the
// order matters a scenario notes it.
#pragma once

#include "driver.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace thole::conformance {

using namespace std::chrono_literals;

// How long a scenario may take before it has failed: far more than any needs.
inline constexpr std::chrono::seconds patience{40};
// The guard of this run: less for the test of the test alone.
inline std::chrono::milliseconds guard = patience;

// Thrown out of a scenario that cannot go on.
struct stuck : std::runtime_error {
    using runtime_error::runtime_error;
};

class stage;

// One end of a scenario. Its sockets are numbered from 0, and so are its listeners.
class side {
public:
    side(stage& on, std::string name, driver& by, int first)
        : on_(on), name_(std::move(name)), driver_(by), first_(first) {}

    // Synchronous calls: they come into the trace at once, but for a listen that succeeds.
    void listen(const endpoint& where, int door = 0);
    void shutdown_write(int socket = 0);
    void close(int socket = 0);  // what close and abort do is seen at the other end
    void abort(int socket = 0);
    void close_door(int door = 0);

    step& connect(const endpoint& target, extras with = {});
    step& accept(extras with = {}, int door = 0);
    step& read(std::size_t at_most, extras with = {});
    step& read_exactly(std::size_t count, extras with = {});
    step& write(std::string bytes, extras with = {});

    [[nodiscard]] endpoint local(int socket = 0);
    [[nodiscard]] endpoint peer(int socket = 0);
    [[nodiscard]] endpoint where(int door = 0);  // the listener's name

    void note(std::string_view text);
    bool turn(std::chrono::milliseconds at_most) { return driver_.turn(at_most); }

private:
    [[nodiscard]] int number(int socket) const noexcept { return first_ + socket; }
    [[nodiscard]] int door_number(int door) const noexcept { return first_ + 500 + door; }
    step& make(std::string_view verb, extras with, std::string bytes);

    stage& on_;
    std::string name_;
    driver& driver_;
    int first_;
};

class stage {
public:
    // The drivers may be one and the same.
    stage(driver& client_by, driver& server_by);
    stage(const stage&) = delete;
    stage& operator=(const stage&) = delete;

    side client;
    side server;

    // Turns both loops until it has ended, and writes its end into the trace.
    step& wait(step& one);
    // The same without a word in the trace.
    step& watch(step& one);
    // Turns only the loop of `by`.
    step& wait_at(side& by, step& one);
    // Turns both loops once, without waiting.
    void turn();

    // A listener of the server, a connection of the client's socket to it, accepted as the
    // server's socket of the same number. Nothing in the trace.
    void join(int socket = 0);
    // What must succeed and is not the scenario's matter.
    void expect_ok(const step& one) const;
    // Sends text from one side to the other.
    void send(side& from, side& to, const std::string& text);

    void line(std::string text) { trace_.push_back(std::move(text)); }
    [[nodiscard]] const std::vector<std::string>& trace() const noexcept { return trace_; }

private:
    friend class side;
    template <class Turn>
    step& until_ended(step& one, Turn turn);

    std::vector<std::string> trace_;
    std::deque<step> steps_;
    std::size_t ends_ = 0;
    std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
    bool listening_ = false;
};

// Bytes in which a lost or a doubled one shows.
[[nodiscard]] std::string pattern(std::size_t count);
// More than a connection takes while its peer does not read.
inline constexpr std::size_t bulk = std::size_t{24} << 20;

inline constexpr std::string_view a_system = "it needs more than a simulated network has";

// ---- The scenarios, as each file of them registers its own.

struct scenario {
    std::string_view name;
    void (*play)(stage& on);
    std::string_view not_on_windows{};  // why Wine cannot show it
    std::string_view not_on_sim{};      // why the simulated network cannot
    bool needs_ipv6 = false;
};

[[nodiscard]] std::vector<scenario>& scenarios();

struct registered {
    explicit registered(const scenario& one) { scenarios().push_back(one); }
};

// SCENARIO(name, facts…) { body }: the body plays on the stage `on`.
#define SCENARIO(id, ...)                                                                          \
    static void id(stage& on);                                                                     \
    static const registered id##_registered{                                                       \
        scenario{.name = #id, .play = &id __VA_OPT__(, ) __VA_ARGS__}};                            \
    static void id(stage& on)

}  // namespace thole::conformance
