// SPDX-License-Identifier: BSL-1.0
// What epoll and select share: a proactor made of readiness.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>

#include "core/attributes.hpp"
#include "posix/native_backend.hpp"
#include "posix/sys.hpp"

namespace thole::detail {

// What a poller says of a socket: epoll's own bits, so that nothing is translated on the way.
namespace event {
inline constexpr std::uint32_t readable = 0x0001;
inline constexpr std::uint32_t urgent = 0x0002;
inline constexpr std::uint32_t writable = 0x0004;
inline constexpr std::uint32_t error = 0x0008;
inline constexpr std::uint32_t hang_up = 0x0010;
inline constexpr std::uint32_t peer_done = 0x2000;
inline constexpr std::uint32_t unsure = 0x4000'0000;  // the poller cannot tell errors apart
}  // namespace event

namespace mark {
// The peer is done, or urgent data came: a short read does not mean that an edge will follow.
inline constexpr std::uint8_t wary = 64;
// A verb stopped before the system said that it would block: it had its share of this turn, and the
// poller shall tell again (R65, R71).
inline constexpr std::uint8_t again = 128;
}  // namespace mark

// What came of a step of a verb. `done`: settled. Otherwise the operation waits in its queue, and
// the verb's finish is called when that has happened.
enum class progress : std::uint8_t { done, wait_readable, wait_writable, in_kernel };

// An idle connection is this and an entry of the table.
struct reactor_state : native_state {
    // For a socket that was just made; a state that was closed has nothing else left of its past.
    void begin(socket_kind is, int descriptor) noexcept {
        kind = is;
        times = 0;
        marks = 0;
        broken = 0;
        fd = descriptor;
    }
};
static_assert(sizeof(void*) != 8 || sizeof(reactor_state) <= 56);

// One that was closed may be the memory of another socket's state.
struct reactor_listener final : reactor_state, listener_half {
    listener_half* as_listener() noexcept override { return this; }
};

// The states by descriptor, and the generation of each registration: what is reused is never
// trusted by its number (R66, R67).
class state_table {
public:
    struct entry {
        reactor_state* state;
        std::uint32_t generation;  // 0: not registered; else odd, but for the waker's
        std::uint32_t since;       // when it was connected, in steps; 0: it is not
    };

    // So many numbers before the end, it counts as crowded: two batches of accepts.
    static constexpr std::size_t last_numbers = 128;

    explicit state_table(std::size_t most) noexcept : most_(most) {}
    state_table(const state_table&) = delete;
    state_table& operator=(const state_table&) = delete;
    ~state_table();

    // 0: from here on the number may be asked for. Numbers that it shall not hold, and no memory,
    // are errors.
    [[nodiscard]] int cover(int fd) noexcept {
        const auto number = static_cast<std::size_t>(fd);
        return number < size_ ? 0 : grow(number);
    }
    void remove(int fd) noexcept { entries_[fd] = {}; }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    // A number near the end, or behind it, was asked for once. From then on no listener takes a
    // client without having looked whether there is a number for it: mark::asks is off.
    [[nodiscard]] bool crowded() const noexcept { return size_ + last_numbers > most_; }
    [[nodiscard]] bool holds(int fd) const noexcept { return static_cast<std::size_t>(fd) < most_; }
    [[nodiscard]] entry& operator[](std::size_t fd) noexcept { return entries_[fd]; }

private:
    [[nodiscard]] THOLE_APART int grow(std::size_t fd) noexcept;

    entry* entries_ = nullptr;
    std::size_t size_ = 0;
    const std::size_t most_;
};

class reactor : public native_backend {
public:
    static constexpr std::uint32_t waker_generation = 2;

    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;
    ~reactor() override;

    bool submit(operation& op) final;
    bool submit_rest(operation& op, std::ptrdiff_t offered) final;
    bool cancel(operation& op) final;
    void close(socket_state* state, farewell how) final;
    std::size_t held() const noexcept final { return 0; }

protected:
    // Descriptors from `limit` on are refused.
    reactor(loop_core& core, int limit) noexcept
        : native_backend(core, mode::nonblocking, &send_now),
          states_(static_cast<std::size_t>(limit)) {}

    // As native_backend's, below the limit.
    [[nodiscard]] int open_waker() noexcept;
    [[nodiscard]] state_table& states() noexcept { return states_; }

    // Before the next batch.
    void begin_batch() noexcept { steps_ = 0; }
    // What a poller has seen; finished operations are reported. In verbs.hpp.
    void ready(reactor_state& state, std::uint32_t events, completions& finished);
    // Ends everything that waits on this socket with a system's code.
    void fail(reactor_state& state, int raw, completions& finished);
    // An accept was refused, with errno.
    THOLE_APART progress accept_failed(operation& op, reactor_listener& door) noexcept;

private:
    [[nodiscard]] static std::ptrdiff_t send_now(socket_state& socket, const void* bytes,
                                                 std::size_t length);
    // From now on the poller watches this socket, for its life; 0 or the system's code.
    [[nodiscard]] virtual int watch(int fd, std::uint32_t generation) noexcept = 0;
    // It no longer does, though the descriptor lives on (R67).
    virtual void unwatch(reactor_state& state) noexcept = 0;
    // Tells again what it told last, if that still holds.
    virtual void tell_again(reactor_state& state) noexcept = 0;

    native_state* take(int fd, socket_kind kind, int& failed) noexcept final;
    int attach(native_state& state) noexcept final;
    int detach(native_state& state) noexcept final;
    int listening(native_state& state) noexcept final { return attach(state); }
    std::uint32_t& since(const native_state& state) noexcept final;
    [[nodiscard]] std::uint32_t steps() noexcept;
    [[nodiscard]] std::uint32_t next_generation() noexcept { return generation_ += 2; }
    // Covered by the table, and not in it yet.
    [[nodiscard]] reactor_state* make(int fd, socket_kind kind, int& failed) noexcept;
    [[nodiscard]] reactor_state* make_listener(int fd, socket_kind kind, int& failed) noexcept;
    void discard(reactor_state& state) noexcept;
    [[nodiscard]] state_table::entry& entry_of(const native_state& state) noexcept {
        return states_[static_cast<std::size_t>(state.fd)];
    }
    // ---- accept.cpp
    [[nodiscard]] progress finish_accept(operation& op, reactor_listener& door) noexcept;
    void welcome(operation& op, reactor_listener& door, int fd) noexcept;
    THOLE_APART void turn_away(operation& op, int fd, reactor_state* state, int raw) noexcept;
    // ----
    void serve_connect(operation& op, reactor_state& state, std::uint32_t events,
                       completions& finished);
    // submit(), by verbs: apart, so that each keeps registers for itself alone.
    THOLE_APART bool submit_accept(operation& op, reactor_listener& door);
    THOLE_APART bool submit_connect(operation& op, reactor_state& state);
    THOLE_APART bool submit_transfer(operation& op, reactor_state& state);
    void pause(reactor_state& state) noexcept;
    void serve_write(reactor_state& state, completions& finished);
    THOLE_APART bool wait_for(operation& op) noexcept;
    THOLE_APART void close_apart(reactor_state& state, farewell how) noexcept;
    [[nodiscard]] bool keeps(reactor_state& state) noexcept;
    static void leave(operation& op, reactor_state& state) noexcept;
    THOLE_APART void ready_unusual(reactor_state& state, std::uint32_t events,
                                   completions& finished);
    THOLE_APART void read_to_the_end(operation& op, std::ptrdiff_t first, completions& finished);
    void serve_read(reactor_state& state, completions& finished);
    void serve_accepts(reactor_listener& state, completions& finished);

    state_table states_;
    reactor_state* spare_ = nullptr;  // through `next`: memory for states to come
    unsigned spares_ = 0;
    std::uint32_t generation_ = std::numeric_limits<std::uint32_t>::max();
    std::uint32_t steps_ = 0;  // the time of this batch, once it was asked for
};

inline reactor_state* reactor::make(int fd, socket_kind kind, int& failed) noexcept {
    if (failed = states_.cover(fd); failed != 0) [[unlikely]] {
        return nullptr;
    }
    reactor_state* state = spare_;
    if (state != nullptr) [[likely]] {
        spare_ = static_cast<reactor_state*>(state->next);
        --spares_;
    } else if (state = new (std::nothrow) reactor_state; state != nullptr) {
        state->core = &core();
    } else {
        failed = ENOMEM;
        return nullptr;
    }
    state->begin(kind, fd);
    return state;
}

// A state that is used no more, at once: no handler runs while a batch is taken, and the table no
// longer has it. Some are kept for the sockets to come.
inline bool reactor::keeps(reactor_state& state) noexcept {
    constexpr unsigned most_spares = 256;  // 14 KiB
    if (spares_ == most_spares) [[unlikely]] {
        return false;
    }
    state.next = spare_;
    spare_ = &state;
    ++spares_;
    return true;
}
inline void reactor::discard(reactor_state& state) noexcept {
    if (!keeps(state)) {
        delete &state;
    }
}

inline std::uint32_t reactor::steps() noexcept {
    if (steps_ == 0) [[unlikely]] {
        steps_ = steps_now();
    }
    return steps_;
}

// An operation waits for the poller.
inline void reactor::pause(reactor_state& state) noexcept {
    if (state.has(mark::again)) {
        state.clear(mark::again);
        tell_again(state);
    }
}

// src/posix/epoll.cpp, src/posix/select.cpp
[[nodiscard]] backend_choice epoll_backend(loop_core& core);
[[nodiscard]] backend_choice select_backend(loop_core& core);

}  // namespace thole::detail
