// SPDX-License-Identifier: BSL-1.0
// What a server is made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <system_error>
#include <utility>

#include <thole/event.hpp>
#include <thole/server.hpp>
#include <thole/timer.hpp>

#include "core/attributes.hpp"
#include "core/byte_queue.hpp"
#include "core/loop_core.hpp"

namespace thole::detail {

// Why a connection ends. The first reason is kept.
enum class cause : std::uint8_t {
    none,
    ended,
    exception,
    idle,
    lifetime,
    reset,
    dropped,
    last_resort,
    drained,
    aborted,
};

// One that is served: what its handler gets, and what the server keeps of it. Its life is a task
// of the loop's (hosting.cpp), whose frame owns it.
struct hosted final : connection {
    hosted(server_core& its, tcp::socket&& made) noexcept;
    ~hosted() = default;

    // ---- hosting.cpp
    [[nodiscard]] static task<> live(hosted& self);
    // False: it cannot have what the options ask for.
    [[nodiscard]] bool begin() noexcept;
    void ended(const std::exception_ptr& failure) noexcept;
    [[nodiscard]] bool was_idle() const noexcept;
    void parted(const tcp::close_report& report) noexcept;
    void tell() noexcept;
    // From now on its handler's awaits end with `cancelled`.
    void cancel(cause why) noexcept;
    // The same, with a reset.
    void abort(cause why) noexcept;
    // Idle: the handler is told so by its read.
    void let_go(cause why) noexcept;
    void note(cause why) noexcept {
        if (ends_by == cause::none) {
            ends_by = why;
        }
    }

    // ---- connection.cpp
    [[nodiscard]] result<void> queue_bytes(tcp::const_bytes bytes) noexcept;
    [[nodiscard]] std::size_t waiting() const noexcept { return filling.size() + sending.size(); }
    [[nodiscard]] bool is_quiet() const noexcept;
    [[nodiscard]] result<endpoint> name() noexcept;
    void write_next() noexcept;
    static void written(runnable& self, turn how);
    [[nodiscard]] event& all_sent() noexcept { return sent_; }
    [[nodiscard]] tcp::socket& wire() noexcept { return socket_; }

    struct writer : tcp::write_op {
        hosted* of = nullptr;
    };

    server_core& of;
    hosted* next = nullptr;
    hosted* prev = nullptr;
    promise_base* running = nullptr;  // the handler
    operation* parting = nullptr;     // the graceful close
    cause ends_by = cause::none;
    cause let_go_for = cause::none;  // and not seen busy since
    bool closing = false;            // the handler has ended
    bool fresh = false;              // was accepted by a drain that has not looked at it yet
    bool unanswered = false;         // the peer had not closed its side
    byte_queue filling;
    byte_queue sending;
    writer writes;
    timer life;
};

// A listener and its accept.
struct acceptor : tcp::accept_op {
    acceptor(server_core& its, tcp::listener&& taken) noexcept : of(its), door(std::move(taken)) {}

    server_core& of;
    tcp::listener door;
    tcp::socket early;  // accepted when there was no room
    acceptor* next = nullptr;
    bool asking = false;
};

// Tells a server of its loop.
struct server_watch : loop_watch {
    server_watch(server_core& its, void (server_core::*what)() noexcept) noexcept
        : loop_watch(&pass_on), of(its), does(what) {}
    static void pass_on(loop_watch& self) noexcept {
        auto& to = static_cast<server_watch&>(self);
        (to.of.*to.does)();
    }
    server_core& of;
    void (server_core::*does)() noexcept;
};

// Lives until the handle, the acceptors, the connections and the drains have let go of it.
struct server_core {
    server_core(loop& its, any_handler& serving, const serve_options& with) noexcept;
    server_core(const server_core&) = delete;
    server_core& operator=(const server_core&) = delete;

    void use() noexcept { ++users; }
    void unuse() noexcept {
        if (--users == 0) {
            delete this;
        }
    }

    // ---- server.cpp
    [[nodiscard]] result<void> add(tcp::listener&& door) noexcept;
    void close() noexcept;
    [[nodiscard]] server_counters count() const noexcept;
    [[nodiscard]] bool is_accepting() const noexcept;
    [[nodiscard]] bool has_room() const noexcept { return connections < options.most_connections; }
    void ask(acceptor& door) noexcept;
    static void accepted(runnable& self, turn how);
    void take_in(tcp::socket&& made) noexcept;
    void admit() noexcept;
    void go_on(acceptor& door) noexcept;
    void stop_accepting() noexcept;
    void close_door(acceptor& door) noexcept;
    void remove(acceptor& door) noexcept;
    void left(hosted& one) noexcept;
    void look_whether_empty() noexcept;

    void turned_away() noexcept;
    void meet_scarcity() noexcept;
    void watch_loop() noexcept;
    void forget_loop() noexcept;

    // ---- drain.cpp
    class reference;
    [[nodiscard]] static task<drain_report> drain(reference of, deadline until);
    void begin_drain() noexcept;
    void abort_all() noexcept;
    void sweep() noexcept;
    void find_room() noexcept;

    loop& on;
    any_handler& handler;
    const serve_options options;
    std::size_t users = 1;
    hosted* first = nullptr;  // the oldest
    hosted* last = nullptr;
    std::size_t connections = 0;  // in that list
    std::size_t closing = 0;      // of them
    acceptor* doors = nullptr;
    std::size_t drains = 0;  // under way
    bool draining = false;   // since a drain began, until it is started again
    event empty{true};       // neither connection nor listener
    timer sweeps;            // while a drain goes on
    server_watch turns;      // the same
    server_watch scarcity;   // while there is a listener or a connection
    timer relief;            // the last resort is due
    time_point relieved;     // when it was taken
    bool lost_one = false;   // since then, for lack of memory
    std::error_code failed;
    server_counters totals;  // of connections that have ended
    drain_report drained;    // the same, as drains see it

private:
    ~server_core();
};

// Keeps a server_core for as long as a coroutine needs it.
class server_core::reference {
public:
    explicit reference(server_core* to) noexcept : to_(to) {
        if (to_ != nullptr) {
            to_->use();
        }
    }
    reference(reference&& other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
    reference& operator=(reference&&) = delete;
    ~reference() {
        if (to_ != nullptr) {
            to_->unuse();
        }
    }
    [[nodiscard]] server_core* get() const noexcept { return to_; }

private:
    server_core* to_;
};

// What `function` throws, if anything.
template <class F>
[[nodiscard]] std::exception_ptr caught(F&& function) noexcept {
#if defined(__cpp_exceptions)
    try {
        function();
    } catch (...) {
        return std::current_exception();
    }
#else
    function();
#endif
    return nullptr;
}

}  // namespace thole::detail
