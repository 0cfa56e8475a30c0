// SPDX-License-Identifier: BSL-1.0
/// \file
/// A server: what accepts, serves, counts and ends connections.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include <thole/close_gracefully.hpp>
#include <thole/connection.hpp>
#include <thole/deadline.hpp>
#include <thole/listener.hpp>
#include <thole/loop.hpp>
#include <thole/result.hpp>
#include <thole/task.hpp>

namespace thole {

/// What a drain does with the clients that the system has connected and nobody has accepted.
enum class waiting_clients : std::uint8_t {
    /// The listeners are closed at once, and these clients get a reset (on Linux; case AC25): for a
    /// port that no other process serves, so that they learn it now.
    refuse,
    /// They are accepted until none is left, then the listeners are closed; those whose request has
    /// come are answered. For a deploy that loses nobody: the successor shares the port meanwhile.
    serve,
};

/// What a server may be given.
struct serve_options {
    /// How many connections there are at a time. At that many accepting stops until one has ended:
    /// clients wait in the listener's backlog, and none sees an error. At least 1.
    std::size_t most_connections = 10'000;
    /// How long a read or a write that is started without a deadline of its own may last; it is set
    /// as the default times of each socket. 0: for ever.
    std::chrono::nanoseconds idle = std::chrono::seconds(60);
    /// How long a connection may stand. Then its handler is cancelled, whatever it does. 0: for
    /// ever.
    std::chrono::nanoseconds lifetime{0};
    /// How many bytes of connection::send() may wait in one connection.
    std::size_t most_unsent = std::size_t{1} << 20;
    /// What a connection may take for its end, once its handler has ended: what waits to be sent
    /// goes out, then socket::close_gracefully(). loop_options::graceful_closes bounds how many do
    /// so at a time.
    std::chrono::nanoseconds close_time = std::chrono::seconds(5);
    tcp::close_options closing{};  ///< for that
    /// How many percent of the idle connections are let go, the oldest first and at least one, when
    /// the system has no descriptor, no buffer or no memory for another one: at most every 100 ms.
    /// 0: none.
    unsigned last_resort = 10;
    /// What a drain does with clients that wait.
    waiting_clients at_drain = waiting_clients::refuse;
    /// Is told of each exception that leaves a handler, which ends that connection alone. It must
    /// not throw. Null: they are counted and dropped.
    void (*failed)(void* context, connection& of, const std::exception_ptr& why) = nullptr;
    void* context = nullptr;  ///< for `failed`
};
static_assert(std::is_trivially_copyable_v<serve_options>);

/// How many connections ended for which reason. The first reason counts.
struct closed_counters {
    std::uint64_t ended = 0;       ///< the handler returned: the peer had finished, or all was said
    std::uint64_t exceptions = 0;  ///< an exception left the handler
    /// The handler returned, and a read or a write had lasted for serve_options::idle, without a
    /// read that had as long after it. Deadlines of the handler's own do not count.
    std::uint64_t idle = 0;
    std::uint64_t lifetime = 0;     ///< serve_options::lifetime was over
    std::uint64_t reset = 0;        ///< the peer was gone
    std::uint64_t dropped = 0;      ///< connection::drop(), or what was sent was not taken
    std::uint64_t last_resort = 0;  ///< idle, and let go as descriptors or memory had run out
    std::uint64_t drained = 0;      ///< idle, and let go by a drain
    std::uint64_t aborted = 0;      ///< a drain's deadline was reached, or the server was closed
};

/// What a server has done, and has.
struct server_counters {
    std::uint64_t accepted = 0;  ///< connections that were taken
    std::uint64_t absorbed = 0;  ///< clients whose own failure ended them before
    std::uint64_t shed = 0;      ///< clients that were reset as there was nothing left for them
    std::uint64_t pauses = 0;    ///< how often accepting had to wait for a resource
    std::size_t active = 0;      ///< connections whose handler runs
    std::size_t closing = 0;     ///< connections whose handler has ended, on their way out
    std::size_t standing = 0;    ///< accepts that stand ready
    closed_counters closed;      ///< connections that have ended
};

/// What a drain did. The first three add up to the connections that there were, and those that were
/// accepted meanwhile.
struct drain_report {
    std::size_t idle = 0;      ///< were idle, and let go at once
    std::size_t finished = 0;  ///< were busy, and their handler ended by itself
    std::size_t aborted = 0;   ///< were busy until the deadline: reset, the handler cancelled
    /// Of the idle and the finished: those whose peer had not closed its side in time, so that a
    /// reset was the end. Everything had been given to the kernel.
    std::size_t unanswered = 0;

    friend bool operator==(const drain_report&, const drain_report&) noexcept = default;
};

namespace detail {

struct server_core;

/// A handler whose type is forgotten.
struct any_handler {
    task<> (*call)(any_handler& self, connection& with);
    void (*destroy)(any_handler& self) noexcept;
};

template <class F>
struct handler_of final : any_handler {
    explicit handler_of(F&& from)
        : any_handler{[](any_handler& self, connection& with) -> task<> {
                          return static_cast<handler_of&>(self).function(with);
                      },
                      [](any_handler& self) noexcept { delete static_cast<handler_of*>(&self); }},
          function(std::move(from)) {}
    F function;
};

}  // namespace detail

/// A server: accepts from its listeners, runs a handler for each connection, and ends each in
/// peace. Made by serve(). Move-only; the destructor is close(). Loop's thread only. Its pending
/// accepts keep `run()` going, as connections do.
class server {
public:
    server() noexcept = default;
    server(server&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    server& operator=(server&& other) noexcept {
        if (this != &other) {
            release();
            core_ = std::exchange(other.core_, nullptr);
        }
        return *this;
    }
    ~server() { release(); }

    /// Accepts from one more listener, of the same loop, which it owns from now on, also when this
    /// fails. After a drain it starts the server again. errc::operation_in_progress during a
    /// drain; errc::closed for a listener that is closed; what loop::error() gives;
    /// not_enough_memory. A listener whose options say exhaustion_policy::report serves until the
    /// first such error, which error() then tells.
    THOLE_API result<void> start(tcp::listener door) noexcept;

    /// Ends the service in an orderly way: stops accepting (serve_options::at_drain), lets idle
    /// connections go at once, those that are busy as soon as they are idle or their handler has
    /// ended, and at `until` aborts the rest. Ends when no connection is left and every handler has
    /// ended: one that does not end when it is cancelled delays that. Nothing begun is lost before
    /// the deadline: what "busy" means is said at `connection`.
    ///
    /// Again, at the same time or later: all end when nothing is left, each by its own deadline,
    /// and each tells what it saw. Without a listener, or on an empty handle, it ends at once. A
    /// cancel ends the waiting alone: the server stays stopped. A handler that awaits it waits for
    /// itself, until the deadline.
    [[nodiscard]] THOLE_API task<drain_report> drain(deadline until);

    /// At once: listeners are closed, connections reset, handlers cancelled; they end in later
    /// turns. Again: nothing.
    THOLE_API void close() noexcept;

    /// What it has done, and has.
    [[nodiscard]] THOLE_API server_counters counters() const noexcept;
    /// Why it accepts no more from a listener: the last error that ended one. None as a rule.
    [[nodiscard]] THOLE_API std::error_code error() const noexcept;
    /// It has a listener, and no drain has begun since it was started.
    [[nodiscard]] THOLE_API bool accepting() const noexcept;

    /// For serve().
    THOLE_API server(loop& on, detail::any_handler& handler, const serve_options& options);

private:
    THOLE_API void release() noexcept;

    detail::server_core* core_ = nullptr;
};

/// Serves the connections of `door` on its loop: for each it runs `handler(connection&)`, a
/// thole::task, which is kept by the server until the last has ended. When the handler has ended,
/// the connection is closed gracefully; an exception of it ends that connection alone. By default
/// there is a limit on connections, on idle time and on bytes that wait to be sent.
///
///     server echo = serve(on, std::move(*door), [](connection& with) -> task<> {
///         std::byte buffer[4096];
///         while (auto n = co_await with.socket().read(buffer)) {
///             const auto sent = co_await with.socket().write(std::span(buffer).first(*n));
///             if (!sent) co_return;
///         }
///     });
///
/// A listener that is closed, or a loop that cannot be used, is seen in server::error(). Throws
/// std::bad_alloc, and what copying the handler throws.
template <class F>
requires std::is_invocable_r_v<task<>, F&, connection&> [[nodiscard]] server
serve(loop& on, tcp::listener door, F handler, serve_options options = {}) {
    server made(on, *new detail::handler_of<F>(std::move(handler)), options);
    (void)made.start(std::move(door));
    return made;
}
/// The same for several listeners, which are moved out of `doors`.
template <class F>
requires std::is_invocable_r_v<task<>, F&, connection&> [[nodiscard]] server
serve(loop& on, std::span<tcp::listener> doors, F handler, serve_options options = {}) {
    server made(on, *new detail::handler_of<F>(std::move(handler)), options);
    for (tcp::listener& door : doors) {
        (void)made.start(std::move(door));
    }
    return made;
}

}  // namespace thole
