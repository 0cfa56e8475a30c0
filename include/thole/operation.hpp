// SPDX-License-Identifier: BSL-1.0
/// \file
/// One thing asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>

#include <thole/deadline.hpp>
#include <thole/error.hpp>
#include <thole/result.hpp>

namespace thole {

class loop;
class operation;

/// What an operation asks for.
enum class verb : std::uint8_t {
    none,               ///< a node for loop::post(operation&)
    sleep,              ///< sleep_for, sleep_until
    wait,               ///< event::wait
    push,               ///< queue::push
    pop,                ///< queue::pop
    resolve,            ///< resolve
    next_signal,        ///< signal_set::next
    connect_by_list,    ///< tcp::connect_by_list
    connect_by_name,    ///< tcp::connect_by_name
    accept_first_data,  ///< first_data_listener::accept
    close_gracefully,   ///< socket::close_gracefully
    connect,            ///< tcp::connect
    accept,             ///< listener::accept
    accept_detached,    ///< listener::accept_detached
    closed,             ///< socket::closed: the peer has finished
    wait_readable,      ///< socket::wait_readable
    peek,               ///< socket::peek: some bytes, which stay
    receive,            ///< socket::receive: some bytes, in a buffer that is lent
    read,               ///< socket::read: some bytes
    read_exactly,       ///< socket::read_exactly: all that was asked for
    write,              ///< socket::write: all
    write_some,         ///< socket::write_some: one step
};

/// The words of a verb, for a message: "connect", "read exactly", …
[[nodiscard]] THOLE_API std::string_view to_string(verb what) noexcept;

namespace detail {

struct loop_core;
struct socket_state;

/// A place in the ring of a loop's open sockets.
struct socket_link {
    socket_link* next = nullptr;
    socket_link* prev = nullptr;
};

/// What the loop may do with a thing in its queue: run it, or (at the loop's end) give it up.
enum class turn : bool { run, discard };

/// The link and the function of everything that a loop can run.
struct runnable {
    runnable* next = nullptr;
    void (*act)(runnable&, turn) = nullptr;
};

/// An entry of the timer wheel. `due` counts nanoseconds of the loop's clock; its lowest bit tells
/// a lone timer (1) from an operation's (0). While it is negative, the entry waits for the clock.
struct timer_node {
    timer_node* later = nullptr;
    timer_node* earlier = nullptr;
    std::int64_t due = 0;

    [[nodiscard]] bool armed() const noexcept { return later != nullptr; }
};

/// Why an operation was asked to end. The first reason wins.
enum class reason : std::uint8_t { none, cancelled, deadline, closed };

/// The edges are asserted in debug builds: idle → submitted | finished | dispatched (inline);
/// submitted → finished; finished → dispatched. A dispatched operation may be prepared again; from
/// `submitted` until then it belongs to the loop.
enum class stage : std::uint8_t { idle, dispatched, submitted, finished };

/// What a backend needs for the time that the kernel holds an operation: the OVERLAPPED on
/// Windows. The readiness backends need nothing.
struct native_storage {
#if defined(_WIN32)
    std::uintptr_t words[4] = {};
#endif
};

/// Misuse that would let the kernel or the loop write to dead memory: says so and ends the program.
[[noreturn]] THOLE_API void refuse_restart() noexcept;
[[noreturn]] THOLE_API void refuse_destruction() noexcept;

/// The fields of an operation: the runtime's own, at most 128 bytes. Before the start `due` holds
/// the word of the deadline.
/// The bases are what the wheel and the kernel hand back: an operation is found from its address.
struct operation_fields : runnable, timer_node, native_storage {
    operation* prev = nullptr;      ///< with `next`: the queue of the socket's state
    socket_state* state = nullptr;  ///< what it works on, if anything
    void* buffer = nullptr;         ///< bytes, or pieces if `vectored`
    std::size_t length = 0;         ///< of bytes, or of pieces if `vectored`
    std::size_t count = 0;          ///< bytes moved so far
    std::int32_t error = 0;         ///< raw code of the system, or an errc if `own_error`
    verb what = verb::none;
    bool vectored : 1 = false;    ///< `buffer` points to `length` spans
    bool by_default : 1 = false;  ///< its deadline is its socket's default time
    std::uint8_t unused : 6 = 0;  ///< set as well, so that this is one store with its neighbours
    stage at = stage::idle;
    reason why : 2 = reason::none;  ///< with the bits after it one byte: all is set by one store
    bool own_error : 1 = false;
    bool aborted : 1 = false;       ///< the kernel's word: ended because it was cancelled
    bool native_error : 1 = false;  ///< the kernel's word: `error` is its code
    bool spent : 1 = false;         ///< the backend's: a step was taken already
    bool starved : 1 = false;       ///< it waits for a buffer to receive into
    bool paused : 1 = false;  ///< it waits for a resource of the system, and `error` is its place
};

}  // namespace detail

/// One thing asked for. It is intrusive: it lives where its caller put it (a coroutine's frame, a
/// struct of the caller), is never allocated or copied by the library, and stays at its address,
/// with the buffers it names, until it has finished. It finishes exactly once, on its loop's
/// thread, never inside the call that started a callback.
///
/// A verb's own type adds `prepare(…)`, which takes the verb's arguments as its constructor does,
/// and `take()`, which gives the result_type once it has finished: awaitable and callback call
/// them.
///
/// All its functions belong to the loop's thread.
class operation : public detail::operation_fields {
public:
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

    /// Asks for the end of a pending operation: it finishes with errc::cancelled, unless it has its
    /// effect first (bytes moved, a connection made), which then is the result. Does nothing to one
    /// that has not started or has finished.
    THOLE_API void cancel() noexcept;

    /// Started, and not finished.
    [[nodiscard]] bool pending() const noexcept { return at == detail::stage::submitted; }

protected:
    operation() noexcept = default;
    /// Ends the program if it has started and not finished: the kernel may still write to it.
    ~operation() {
        if (at >= detail::stage::submitted) [[unlikely]] {
            detail::refuse_destruction();
        }
    }

    /// Makes it ready to be started (again), on the socket `with`.
    void reset(verb asked, detail::socket_state* with, deadline until,
               bool in_pieces = false) noexcept {
        if (at >= detail::stage::submitted) [[unlikely]] {
            detail::refuse_restart();
        }
        state = with;
        due = until.word();
        count = 0;
        error = 0;
        what = asked;
        vectored = in_pieces;
        by_default = false;
        unused = 0;
        at = detail::stage::idle;
        why = detail::reason::none;
        own_error = false;
        aborted = false;
        native_error = false;
        spent = false;
        starved = false;
        paused = false;
    }
    /// The outcome, after it finished.
    [[nodiscard]] std::error_code outcome() const noexcept {
        return error == 0 ? std::error_code{} : failure();
    }
    /// The same where it is known to be an error.
    [[nodiscard]] THOLE_API std::error_code failure() const noexcept;
    /// The outcome of what has no other result.
    [[nodiscard]] result<void> done() const noexcept {
        if (error != 0) {
            return unexpected(failure());
        }
        return {};
    }
};

static_assert(sizeof(operation) <= 128);

class local_operation;

namespace detail {

/// How the loop serves an operation that no backend has a part in. One table a verb.
struct local_methods {
    /// Starts it. True: settled at once, and nothing is pending.
    bool (*start)(local_operation& op);
    /// Ends it; the reason is recorded. True: given back, and settled as aborted by the core.
    /// False: it finishes by itself, through loop_core::finish_local.
    bool (*cancel)(local_operation& op);
    /// It is made of other operations, which keep the loop running in its place.
    bool composed = false;
};

}  // namespace detail

/// An operation that the loop serves by itself: a sleep, a wait for an event, one that is made of
/// others.
class local_operation : public operation {
public:
    /// For the loop.
    [[nodiscard]] const detail::local_methods& methods() const noexcept { return *methods_; }
    /// The loop it runs on; null: that of the task that awaits it, or whose thread it is started
    /// on.
    detail::loop_core* core = nullptr;
    /// Takes the loop of the task that awaits it, where none was given.
    void belong_to(detail::loop_core* awaiting) noexcept {
        if (core == nullptr) {
            core = awaiting;
        }
    }

protected:
    /// Of a verb whose table is `methods`.
    explicit local_operation(const detail::local_methods& methods) noexcept : methods_(&methods) {}
    /// Makes it ready to be started (again), on the loop `on`.
    void reset(verb asked, detail::loop_core* on, deadline until) noexcept {
        operation::reset(asked, nullptr, until);
        core = on;
    }

private:
    const detail::local_methods* methods_;
};

namespace detail {

struct promise_base;

/// Starts an operation that a coroutine awaits. False: it has finished, and the coroutine goes on
/// at once. True: the coroutine sleeps, and `act` is called later. `by` is null for a coroutine of
/// a foreign type.
[[nodiscard]] THOLE_API bool begin_awaited(operation& op, promise_base* by) noexcept;
/// Starts an operation whose end is told through `act`, always in a later turn.
THOLE_API void begin_callback(operation& op) noexcept;

/// The same for a read and a write of one buffer and for a receive, in fewer steps.
[[nodiscard]] THOLE_API bool begin_awaited_read(operation& op, promise_base& by) noexcept;
[[nodiscard]] THOLE_API bool begin_awaited_receive(operation& op, promise_base& by) noexcept;
[[nodiscard]] THOLE_API bool begin_awaited_write(operation& op, promise_base& by) noexcept;
THOLE_API void begin_callback_read(operation& op) noexcept;
THOLE_API void begin_callback_receive(operation& op) noexcept;
THOLE_API void begin_callback_write(operation& op) noexcept;
/// And for an accept and a connect.
[[nodiscard]] THOLE_API bool begin_awaited_accept(operation& op, promise_base& by) noexcept;
[[nodiscard]] THOLE_API bool begin_awaited_connect(operation& op, promise_base& by) noexcept;
THOLE_API void begin_callback_accept(operation& op) noexcept;
THOLE_API void begin_callback_connect(operation& op) noexcept;

/// Where an operation was prepared just before, the compiler knows the answers.
[[nodiscard]] inline bool reads_one_buffer(const operation& op) noexcept {
    return op.what == verb::read && !op.vectored;
}
[[nodiscard]] inline bool receives(const operation& op) noexcept {
    return op.what == verb::receive;
}
[[nodiscard]] inline bool writes_one_buffer(const operation& op) noexcept {
    return op.what == verb::write && !op.vectored;
}

}  // namespace detail
}  // namespace thole
