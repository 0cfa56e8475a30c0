// SPDX-License-Identifier: BSL-1.0
/// \file
/// Accepting clients with the first that they say.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <thole/await.hpp>
#include <thole/deadline.hpp>
#include <thole/endpoint.hpp>
#include <thole/listener.hpp>
#include <thole/receive.hpp>
#include <thole/result.hpp>
#include <thole/socket.hpp>
#include <thole/wait_list.hpp>

namespace thole {

namespace detail {
class first_data_line;
}

namespace tcp {

class first_data_listener;

/// What first_data_listener::open() may be given besides the address.
struct first_data_options {
    /// A client that has sent nothing for so long after it was accepted is reset. Above 0.
    std::chrono::milliseconds silent_limit{5000};
    /// How many silent clients may be waited for at a time; when one more comes, the one that has
    /// been silent longest is reset. At least 1.
    std::size_t most_silent = 1024;
    listen_options listening{};  ///< as for listener::open()
};
static_assert(std::is_trivially_copyable_v<first_data_options>);

/// A client and the first that it said.
struct greeted_client {
    tcp::socket socket;  ///< connected
    lent_buffer data;    ///< its first bytes; empty: it has finished sending, and sent none
};

/// What a first_data_listener has seen since it was opened, and what it has now.
struct first_data_counters {
    std::uint64_t silent = 0;   ///< clients that were reset because they sent nothing in time
    std::uint64_t crowded = 0;  ///< those that were reset to make room for another one
    std::uint64_t failed = 0;   ///< those that went before they said anything: a reset of theirs
    std::size_t waiting = 0;    ///< now: clients that have been accepted and are silent
    std::size_t ready = 0;      ///< now: clients that have spoken, and nobody has asked for them
};
static_assert(std::is_trivially_copyable_v<first_data_counters>);

/// The operation behind first_data_listener::accept().
class accept_first_data_op : public detail::waiting_operation {
public:
    using result_type = result<greeted_client>;
    THOLE_API accept_first_data_op() noexcept;
    accept_first_data_op(first_data_listener& on, deadline until) noexcept
        : accept_first_data_op() {
        prepare(on, until);
    }
    THOLE_API void prepare(first_data_listener& on, deadline until = {}) noexcept;
    [[nodiscard]] THOLE_API result<greeted_client> take() noexcept;

private:
    friend class detail::first_data_line;
    detail::first_data_line* on_ = nullptr;
    greeted_client got_;
};

/// A listener that hands out clients only when they have said something, so that whoever connects
/// and stays silent costs neither a task nor a buffer, and delays nobody: clients that talk are
/// handed out in the order in which they began to. Of one loop for life; move-only; the destructor
/// closes. Loop's thread only.
///
///     while (auto client = co_await door.accept())
///         on.spawn(serve(std::move(client->socket), std::move(client->data)));
///
/// New clients are accepted while somebody waits in accept(). Those who were accepted are waited
/// for until their time is over, also when nobody waits any more.
class first_data_listener {
public:
    first_data_listener() noexcept = default;
    first_data_listener(first_data_listener&& other) noexcept
        : line_(std::exchange(other.line_, nullptr)) {}
    first_data_listener& operator=(first_data_listener&& other) noexcept {
        if (this != &other) {
            close();
            line_ = std::exchange(other.line_, nullptr);
        }
        return *this;
    }
    ~first_data_listener() { close(); }

    /// Binds to `where` and listens, as listener::open() does, with its errors; besides
    /// invalid_argument for options out of their range, not_enough_memory.
    [[nodiscard]] THOLE_API static result<first_data_listener>
    open(loop& on, const endpoint& where, first_data_options options = {}) noexcept;

    /// The next client that has spoken, as a socket of this loop, with what it said first: one
    /// receive's worth, in a buffer of the loop's (loop_options::lent_buffer_size), at most. What
    /// more there is stays to be read. An end of stream counts as speaking: `data` is empty then,
    /// and what may be sent to the client still can be. Any number may be pending; they are served
    /// in order. One client's failure, or its silence, is never an error here. Ends: errc::
    /// cancelled, errc::deadline_reached, errc::closed, and those of listener::accept().
    [[nodiscard]] awaitable<accept_first_data_op> accept(deadline until = never) noexcept {
        return awaitable<accept_first_data_op>(*this, until);
    }

    /// Cancels every pending accept. The listener goes on, and no client is lost.
    THOLE_API void cancel() noexcept;
    /// Stops listening, cancels what is pending, and resets the clients that nobody has.
    THOLE_API void close() noexcept;
    /// Neither closed nor moved from.
    [[nodiscard]] bool is_open() const noexcept { return line_ != nullptr; }
    /// The address with the port in use. errc::closed, or a code of the system.
    [[nodiscard]] THOLE_API result<endpoint> local() const noexcept;
    /// What has become of its clients; zeros where it is not open.
    [[nodiscard]] THOLE_API first_data_counters counters() const noexcept;

private:
    friend class accept_first_data_op;
    explicit first_data_listener(detail::first_data_line* line) noexcept : line_(line) {}

    detail::first_data_line* line_ = nullptr;
};

}  // namespace tcp
}  // namespace thole
