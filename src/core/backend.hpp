// SPDX-License-Identifier: BSL-1.0
// The proactor interface: all that the core knows of an operating system.
#pragma once

#include <cassert>
#include <chrono>
#include <cstdint>
#include <system_error>

#include <thole/endpoint.hpp>
#include <thole/operation.hpp>
#include <thole/tcp.hpp>

#include "core/error_table.hpp"
#include "core/inbound_queue.hpp"
#include "core/queue.hpp"

namespace thole::detail {

enum class socket_role : std::uint8_t { stream, listener };

struct socket_kind {  // one byte
    socket_role role : 3;
    bool fin_sent : 1;  // POSIX: of a state, by us
    address_family family : 4;

    constexpr socket_kind(socket_role asked = socket_role::stream,
                          address_family of = address_family::ipv4) noexcept
        : role(asked), fin_sent(false), family(of) {}
};

// What is to be known of a socket at once: one look asks for several. Where neither `asks` nor the
// three after it are set, the core starts a read of one buffer, or a receive, by itself; where
// `submitted` is not, it offers the bytes of a write (backend::offer). A backend that never clears
// these is asked each time.
namespace mark {
// A read has something to ask the backend. Without it (R63: the system has said that nothing is
// there) it only stands in `reading` until wait() finishes it.
inline constexpr std::uint8_t asks = 1;
inline constexpr std::uint8_t timed = 2;                 // it has default times
inline constexpr std::uint8_t plain = 4;                 // a read of one buffer stands in `reading`
inline constexpr std::uint8_t reader = 8;                // something else may stand there
inline constexpr std::uint8_t receive = plain | reader;  // that is a receive, which stands alone
inline constexpr std::uint8_t submitted = 16;            // a write is to be submitted, not offered
inline constexpr std::uint8_t bound = 32;                // POSIX: to a port of the user's choice
// Connected: its default time ended a read or a write, and no read with that time came after it.
inline constexpr std::uint8_t expired = bound;
// 64 and 128 are the backend's own.
}  // namespace mark

// The core's half of a socket. Each backend derives its own state from it. The core keeps the list
// of a loop's open states; a state leaves it when it is closed, or its graceful close begins, which
// then is its only neighbour.
struct socket_state : socket_link {
    loop_core* core = nullptr;  // null: the loop is gone, the handle that is left frees the state
    operation_queue reading;    // closed, wait_readable, peek, receive, read, read_exactly, accept
    operation_queue writing;    // connect, write, write_some
    socket_kind kind;
    std::uint8_t times = 0;  // its default times' place in the loop's table; 0: it has none
    std::uint8_t marks = mark::asks | mark::submitted;

    [[nodiscard]] bool has(std::uint8_t any_of) const noexcept { return (marks & any_of) != 0; }
    void set(std::uint8_t which) noexcept { marks = static_cast<std::uint8_t>(marks | which); }
    void clear(std::uint8_t which) noexcept { marks = static_cast<std::uint8_t>(marks & ~which); }

    // What a listener has besides; null: it is none.
    [[nodiscard]] virtual struct listener_half* as_listener() noexcept { return nullptr; }
    virtual ~socket_state() = default;

protected:
    socket_state() noexcept = default;
    socket_state(const socket_state&) = default;
    socket_state& operator=(const socket_state&) = default;
};

// Frees a closed state. One whose handle outlives the loop (core is null) is left to that handle:
// backends free states through this only.
inline void dispose(socket_state* state) noexcept {
    if (state->core != nullptr) {
        delete state;
    }
}

// What a loose socket's handle can be asked without a loop. One table a network; two loose sockets
// are of one network if their tables are the same.
struct native_methods {
    void (*close)(std::uintptr_t native) noexcept;  // with a reset: nobody ever used it
    std::error_code (*local)(std::uintptr_t native, endpoint& name) noexcept;
    std::error_code (*peer)(std::uintptr_t native, endpoint& name) noexcept;
};

// What control() may be asked. All are synchronous and none blocks.
enum class request : std::uint8_t {
    bind,            // a stream socket, to `address`
    listen,          // a listener: bind to `address` and listen, by `listening`
    local_name,      // → address
    peer_name,       // → address
    shutdown_write,  // FIN
    set_option,      // `option` to value
    get_option,      // `option` → value
    set_keep_alive,  // keep_alive
    get_keep_alive,  // → keep_alive
    connected_for,   // → time
    release,         // nothing is pending; value: blocking → native, which is the caller's
    unacknowledged,  // → value: bytes of ours that the system holds; 0 where it does not tell
    fin_arrived,     // → value: 1, ours was acknowledged, the peer's has not come; not_supported
    keep_reserve,    // a listener that sheds, before it asks again: what it does that by, if it
                     // was lost; where that cannot be had now, an error that says nothing else
};

// The system's switches and numbers: each platform has a table of them (options.cpp).
enum class socket_option : std::uint8_t {
    // 0 or 1
    v6_only,
    reuse_address,  // on Windows: exclusive use
    no_delay,
    keep_alive,
    // numbers
    keep_alive_idle,      // seconds
    keep_alive_interval,  // seconds
    keep_alive_count,
    send_buffer,     // bytes
    receive_buffer,  // bytes
    user_timeout,    // milliseconds
};
inline constexpr std::size_t option_count = 10;
[[nodiscard]] constexpr bool is_switch(socket_option which) noexcept {
    return which <= socket_option::keep_alive;
}

// What a listener hands on to the connections that it accepts. `set(option, value)` gives 0 or the
// system's code, as this does.
template <class Set>
[[nodiscard]] int set_inherited(const tcp::listen_options& asked, Set set) noexcept {
    int failed = 0;
    if (asked.send_buffer != 0) {
        failed = set(socket_option::send_buffer, asked.send_buffer);
    }
    if (failed == 0 && asked.receive_buffer != 0) {
        failed = set(socket_option::receive_buffer, asked.receive_buffer);
    }
    return failed;
}

struct control_request {
    request what;
    endpoint address{};
    int value = 0;
    tcp::listen_options listening{};
    socket_option option{};
    tcp::keep_alive_options keep_alive{};
    std::chrono::milliseconds time{0};
    std::uintptr_t native = 0;
};

// Where wait() and close() report finished operations to. An operation that is reported has left
// its queue; its error, count and flags are set (see the settle functions below). push() is in
// core/loop_core.hpp.
class completions {
public:
    explicit completions(loop_core& core) noexcept : core_(core) {}
    void push(operation& op) noexcept;
    void push_done(operation& op) noexcept;  // the same for one that is known to be no abort

private:
    loop_core& core_;
};

class backend {
public:
    using offer_function = std::ptrdiff_t (*)(socket_state& state, const void* bytes,
                                              std::size_t length);

    using hand_function = bool (*)(operation& op);

    explicit backend(offer_function offering = nullptr, hand_function reading = nullptr,
                     hand_function writing = nullptr) noexcept
        : offer(offering), take_read(reading), take_write(writing) {}
    backend(const backend&) = delete;
    backend& operator=(const backend&) = delete;
    virtual ~backend() = default;

    // A new stream or listener socket, attached: non-blocking or overlapped, not inherited by child
    // processes, IPV6_V6ONLY off for a stream. Null on failure, with the error decoded.
    [[nodiscard]] virtual socket_state* open(socket_kind kind, std::error_code& error) = 0;

    // Attaches a connected socket that belongs to no loop. It is taken also when this fails: then
    // it is closed, the result is null and the error is set (invalid_argument: another network's).
    [[nodiscard]] virtual socket_state* adopt(const loose_socket& loose,
                                              std::error_code& error) = 0;

    // Synchronous, never blocks, touches nothing pending.
    [[nodiscard]] virtual std::error_code control(socket_state& state,
                                                  control_request& request) = 0;

    // True: it has finished (settled), nothing is pending, and nothing will be reported. False: it
    // is pending and stands in its state's `reading` or `writing` queue. A receive takes its buffer
    // when there is something for it, and starves where there is none (core/buffer_pool.hpp): it is
    // submitted anew when one has come back. What fails for lack of another resource is pending too
    // (core/back_off.hpp): a queue whose front is `paused` is the core's. The core has checked that
    // the state is open, that the direction is free, that the buffer is not empty (unless it is a
    // connect or an accept), that the deadline lies ahead and that no cancel came before.
    [[nodiscard]] virtual bool submit(operation& op) = 0;

    // The commonest submission in two halves, so that what succeeds at once costs one call: offers
    // the bytes of a write to the kernel, and gives how many it took. All: the write has finished.
    // Otherwise submit_rest() is called with that answer, and goes on as submit(); below 0 it is
    // the backend's own word to itself. Needs nothing of the backend, so it is no virtual. Null
    // where every state keeps mark::submitted: there writes are taken as a whole.
    const offer_function offer;
    [[nodiscard]] virtual bool submit_rest(operation& op, std::ptrdiff_t) { return submit(op); }

    // Plain functions as well, of a backend whose kernel does the waiting: take a read or a
    // receive, or a write, of one buffer, whose direction is free and whose deadline lies ahead.
    // True: it is pending, and the core was told (loop_core::becomes_pending or becomes_passing).
    // False: nothing has happened, and it is to be submitted. Null: each is submitted.
    const hand_function take_read;
    const hand_function take_write;

    // Ends a pending operation; the core has recorded `why`. True: it is given back now, out of its
    // queue, settled (`aborted` where nothing happened; a partial count stays). False: wait() will
    // report it; nothing else may be concluded (R2: what CancelIoEx says decides nothing).
    [[nodiscard]] virtual bool cancel(operation& op) = 0;

    // Never blocks; `reset`: a reset on the wire. The core has cancelled every operation; those
    // that were not given back will still be reported. The state is the backend's from here on:
    // handle and memory go when the kernel has said its last word on each operation (IOCP,
    // io_uring), or at once (reactor: what its poller still says of them is known by the
    // generation). Parked inbound connections are closed.
    virtual void close(socket_state* state, farewell how) = 0;

    // Waits until something finished, wake() was called or `until` has come, whichever is first;
    // does not block when `until` has passed (time_point::min() asks for that); may return early
    // with nothing. Takes one batch and pushes what finished, each operation once. Keeps house
    // (frees closed states, by dispose()) before it blocks. An error means that waiting is
    // impossible.
    [[nodiscard]] virtual std::error_code wait(time_point until, completions& finished) = 0;

    // Ends a wait() that sleeps, or the next one. Any thread; coalesced; never fails.
    virtual void wake() noexcept = 0;

    // A handle of the system that can be waited on in place of wait(): readable, level-triggered,
    // while wait() would find something. It stays the backend's. By default: not_supported.
    [[nodiscard]] virtual std::error_code waitable(std::uintptr_t&) {
        return {raw_of(std::errc::not_supported), system_category()};
    }

    // Requests wait for the next wait() to be sent, whatever that handle says.
    [[nodiscard]] virtual bool unsent() const noexcept { return false; }

    // The clock of this network. Loop's thread, or any thread where nothing runs.
    [[nodiscard]] virtual time_point now() const noexcept = 0;

    // Closed states on which the kernel has not said its last word.
    [[nodiscard]] virtual std::size_t held() const noexcept = 0;
};

// ---- Settling: how a backend writes the outcome into an operation (in submit.cpp).

// It had its effect: bytes moved, a connection, a socket. Wins over any reason.
// An operation is settled once; until then its error is 0.
inline void settle_done(operation& op) noexcept {
    assert(op.error == 0 && !op.aborted);
    static_cast<void>(op);
}
// The kernel's error, decoded for the verb by the platform's table; never a cancel.
inline void settle_error(operation& op, int raw) noexcept {
    op.error = raw;
    op.own_error = false;
    op.aborted = false;
    op.native_error = true;
}
// An ending of ours: end_of_stream.
inline void settle_own(operation& op, errc why) noexcept {
    op.error = static_cast<int>(why);
    op.own_error = true;
    op.aborted = false;
}
// The kernel's word "aborted": the recorded reason becomes the error, or, without one, `raw`.
inline void settle_aborted(operation& op, int raw) noexcept {
    op.error = raw;
    op.own_error = false;
    op.aborted = true;
}

// An error of any category that thole gives.
void settle_code(operation& op, const std::error_code& failed) noexcept;

// ---- Verbs.

[[nodiscard]] constexpr bool is_accept(verb what) noexcept {
    return what == verb::accept || what == verb::accept_detached;
}
// Served by the loop itself.
[[nodiscard]] constexpr bool is_local(verb what) noexcept {
    return what >= verb::sleep && what < verb::connect;
}
// Goes on until everything that was asked for has moved; a connect, what it was given to send.
[[nodiscard]] constexpr bool wants_all(verb what) noexcept {
    return what == verb::read_exactly || what == verb::write || what == verb::connect;
}
[[nodiscard]] constexpr bool is_transfer(verb what) noexcept {
    return what >= verb::closed;  // the last in the list
}
// Stands with the reads, and takes nothing.
[[nodiscard]] constexpr bool is_look(verb what) noexcept {
    return what == verb::wait_readable || what == verb::peek || what == verb::closed;
}
// Takes what there is, in one step.
[[nodiscard]] constexpr bool takes_some(verb what) noexcept {
    return what == verb::read || what == verb::receive;
}
[[nodiscard]] constexpr bool is_write(verb what) noexcept { return what >= verb::write; }
// Stands in the `writing` queue.
[[nodiscard]] constexpr bool uses_writing(verb what) noexcept {
    return is_write(what) || what == verb::connect;
}

// The queue that it stands in while it is pending.
[[nodiscard]] inline operation_queue& queue_of(const operation& op) noexcept {
    return uses_writing(op.what) ? op.state->writing : op.state->reading;
}

// What its errors are those of: a connect that is made goes on as a write.
[[nodiscard]] inline verb acts_as(const operation& op) noexcept {
    const bool sends =
        op.what == verb::connect && static_cast<const tcp::connect_op&>(op).connected;
    return sends ? verb::write : op.what;
}

// What is left of a transfer's buffers after `count` bytes, as pieces the system's vector takes.
// Calls `add(bytes, length)` for at most `most` pieces; gives the sum of their lengths.
template <class Add>
std::size_t remaining_pieces(const operation& op, std::size_t most, Add&& add) {
    if (!op.vectored) {
        const std::size_t left = op.length - op.count;
        add(static_cast<std::byte*>(op.buffer) + op.count, left);
        return left;
    }
    const auto* pieces = static_cast<const std::span<std::byte>*>(op.buffer);
    std::size_t skip = op.count;
    std::size_t sum = 0;
    for (std::size_t i = 0, used = 0; i < op.length && used < most; ++i) {
        const std::size_t size = pieces[i].size();
        if (skip >= size) {
            skip -= size;
            continue;
        }
        add(pieces[i].data() + skip, size - skip);
        sum += size - skip;
        skip = 0;
        ++used;
    }
    return sum;
}
// All that a transfer asks for, in bytes.
[[nodiscard]] inline std::size_t total_length(const operation& op) noexcept {
    if (!op.vectored) {
        return op.length;
    }
    const auto* pieces = static_cast<const std::span<std::byte>*>(op.buffer);
    std::size_t sum = 0;
    for (std::size_t i = 0; i < op.length; ++i) {
        sum += pieces[i].size();
    }
    return sum;
}

// A listener's state has one; accepts are served from it in order.
struct listener_half {
    inbound_queue inbound;
    tcp::listener_counters counts;  // but for `parked`
    tcp::exhaustion_policy when_exhausted = tcp::exhaustion_policy::pause;
};

// What arrived goes to the first waiter, which is reported, or is parked; the caller has made sure
// that one of both can be.
void deliver(socket_state& listener, inbound_queue& inbound, const loose_socket& arrived,
             completions& finished);

// Where a system tells nothing of an end behind unread bytes, it is looked for so often.
inline constexpr std::chrono::nanoseconds look_pace = std::chrono::milliseconds(20);

// Whether the core holds what stands first in that queue: nothing is to be asked for it.
[[nodiscard]] inline bool is_paused(const operation_queue& queue) noexcept {
    return !queue.empty() && queue.front()->paused;
}

}  // namespace thole::detail
