// SPDX-License-Identifier: BSL-1.0
// What epoll and select share: a proactor made of readiness.
#pragma once

#include <cstddef>
#include <cstdint>
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
struct reactor_state final : native_state {
    reactor_state(loop_core& of, socket_kind is, int descriptor) noexcept {
        core = &of;
        kind = is;
        marks = 0;
        fd = descriptor;
    }
};
static_assert(sizeof(void*) != 8 || sizeof(reactor_state) <= 56);

// The states by descriptor, and the generation of each registration: what is reused is never
// trusted by its number (R66, R67).
class state_table {
public:
    struct entry {
        reactor_state* state;
        std::uint32_t generation;  // 0: not registered
        std::uint32_t since;       // when it was connected, in steps; 0: it is not
    };

    state_table() noexcept = default;
    state_table(const state_table&) = delete;
    state_table& operator=(const state_table&) = delete;
    ~state_table();

    // False: no memory. From here on the number may be asked for.
    [[nodiscard]] bool cover(int fd) noexcept {
        const auto number = static_cast<std::size_t>(fd);
        return number < size_ || grow(number);
    }
    void put(reactor_state& state) noexcept { entries_[state.fd] = {&state, 0, 0}; }
    void remove(int fd) noexcept { entries_[fd] = {}; }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] entry& operator[](std::size_t fd) noexcept { return entries_[fd]; }

private:
    [[nodiscard]] THOLE_APART bool grow(std::size_t fd) noexcept;

    entry* entries_ = nullptr;
    std::size_t size_ = 0;
};

class reactor : public native_backend {
public:
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;
    ~reactor() override;

    bool submit(operation& op) final;
    bool submit_rest(operation& op, std::ptrdiff_t offered) final;
    bool cancel(operation& op) final;
    void close(socket_state* state) final;
    std::size_t held() const noexcept final { return 0; }

protected:
    // Descriptors from `limit` on are refused.
    reactor(loop_core& core, int limit) noexcept
        : native_backend(core, mode::nonblocking, &send_now), limit_(limit) {}

    // As native_backend's, below the limit.
    [[nodiscard]] int open_waker() noexcept;
    [[nodiscard]] state_table& states() noexcept { return states_; }

    // Before the next batch.
    void begin_batch() noexcept { steps_ = 0; }
    // What a poller has seen; finished operations are reported. In verbs.hpp.
    void ready(reactor_state& state, std::uint32_t events, completions& finished);
    // Ends everything that waits on this socket with a system's code.
    void fail(reactor_state& state, int raw, completions& finished);

private:
    [[nodiscard]] static std::ptrdiff_t send_now(socket_state& socket, const void* bytes,
                                                 std::size_t length);
    // From now on the poller watches this socket, for its life, and may have told its entry how it
    // knows it; 0 or the system's code.
    [[nodiscard]] virtual int watch(int fd, state_table::entry& place) noexcept = 0;
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
    [[nodiscard]] reactor_state* make(int fd, socket_kind kind, int& failed) noexcept;
    void discard(reactor_state& state) noexcept;
    [[nodiscard]] state_table::entry& entry_of(const native_state& state) noexcept {
        return states_[static_cast<std::size_t>(state.fd)];
    }
    // ---- accept.cpp
    [[nodiscard]] progress start_accept(operation& op, reactor_state& door) noexcept;
    [[nodiscard]] progress finish_accept(operation& op, reactor_state& door) noexcept;
    void welcome(operation& op, const reactor_state& door, int fd) noexcept;
    THOLE_APART void turn_away(operation& op, int fd, reactor_state* state, int raw) noexcept;
    // ----
    [[nodiscard]] progress begin_connect(operation& op, reactor_state& state);
    [[nodiscard]] progress go_on_connecting(operation& op, reactor_state& state,
                                            std::uint32_t events);
    THOLE_APART bool submit_transfer(operation& op, reactor_state& state);
    void pause(reactor_state& state) noexcept;
    void serve_write(reactor_state& state, std::uint32_t events, completions& finished);
    bool wait_for(operation_queue& queue, operation& op) noexcept;
    static void leave(operation& op, reactor_state& state) noexcept;
    THOLE_APART void ready_unusual(reactor_state& state, std::uint32_t events,
                                   completions& finished);
    THOLE_APART void read_to_the_end(operation& op, std::ptrdiff_t first, completions& finished);
    void serve_read(reactor_state& state, completions& finished);
    void serve_accepts(reactor_state& state, completions& finished);

    state_table states_;
    reactor_state* spare_ = nullptr;  // through `next`: memory for states to come
    unsigned spares_ = 0;
    std::uint32_t steps_ = 0;  // the time of this batch, once it was asked for
    int limit_;
};

// A state and its entry of the table.
inline reactor_state* reactor::make(int fd, socket_kind kind, int& failed) noexcept {
    if (fd >= limit_ || !states_.cover(fd)) [[unlikely]] {
        failed = fd >= limit_ ? EMFILE : ENOMEM;  // R73
        return nullptr;
    }
    reactor_state* state = spare_;
    if (state != nullptr) [[likely]] {
        spare_ = static_cast<reactor_state*>(state->next);
        --spares_;
        new (state) reactor_state(core(), kind, fd);  // its members need no end
    } else if (state = new (std::nothrow) reactor_state(core(), kind, fd); state == nullptr) {
        failed = ENOMEM;
        return nullptr;
    }
    states_.put(*state);
    return state;
}

// It is used no more, at once: no handler runs while a batch is taken, and the table no longer has
// it. Some are kept for the sockets to come.
inline void reactor::discard(reactor_state& state) noexcept {
    constexpr unsigned most_spares = 256;  // 14 KiB
    if (spares_ == most_spares) [[unlikely]] {
        delete &state;
        return;
    }
    state.next = spare_;
    spare_ = &state;
    ++spares_;
}

inline std::uint32_t reactor::steps() noexcept {
    if (steps_ == 0) [[unlikely]] {
        steps_ = steps_now();
    }
    return steps_;
}

// src/posix/epoll.cpp, src/posix/select.cpp
[[nodiscard]] backend_choice epoll_backend(loop_core& core);
[[nodiscard]] backend_choice select_backend(loop_core& core);

}  // namespace thole::detail
