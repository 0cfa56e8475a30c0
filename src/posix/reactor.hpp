// SPDX-License-Identifier: BSL-1.0
// What epoll and select share: a proactor made of readiness.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/backend.hpp"
#include "core/attributes.hpp"
#include "core/backends.hpp"

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

// What came of a step of a verb. `done`: settled. Otherwise the operation waits in its queue, and
// the verb's finish is called when that has happened.
enum class progress : std::uint8_t { done, wait_readable, wait_writable, in_kernel };

// An idle connection is this and an entry of the table.
struct reactor_state final : socket_state {
    // There may be something to read: until the system has said otherwise (R63).
    bool readable : 1 = false;
    // The peer is done, or urgent data came: a short read does not mean that an edge will follow.
    bool wary : 1 = false;
    // A verb stopped before the system said that it would block: it had its share of this turn, and
    // the poller shall tell again (R65, R71).
    bool again : 1 = false;
    // Bound to a port of the user's choice.
    bool bound : 1 = false;
    // What ended the connection (an errno, all below 256): the system tells it once, to whoever
    // asks first, and answers an end of stream from then on.
    std::uint8_t broken = 0;
    int fd = -1;
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

    // False: no memory.
    [[nodiscard]] bool put(reactor_state& state) noexcept;
    void remove(int fd) noexcept { entries_[fd] = {}; }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] entry& operator[](std::size_t fd) noexcept { return entries_[fd]; }
    // False: the registration's socket is closed. A generation is never 0.
    [[nodiscard]] bool knows(std::uint32_t fd, std::uint32_t generation) const noexcept {
        return fd < size_ && entries_[fd].generation == generation;
    }

private:
    entry* entries_ = nullptr;
    std::size_t size_ = 0;
};

class reactor : public backend {
public:
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;
    ~reactor() override;

    socket_state* open(socket_kind kind, std::error_code& error) final;
    socket_state* adopt(const loose_socket& loose, std::error_code& error) final;
    std::error_code control(socket_state& state, control_request& asked) final;
    bool submit(operation& op) final;
    bool cancel(operation& op) final;
    void close(socket_state* state) final;
    void wake() noexcept final;
    time_point now() const noexcept final;
    std::size_t held() const noexcept final { return 0; }

protected:
    // Descriptors from `limit` on are refused.
    reactor(loop_core& core, int limit) noexcept : core_(core), limit_(limit) {}

    // Makes the descriptor that wake() writes to; 0 or the system's code.
    [[nodiscard]] int open_waker() noexcept;
    [[nodiscard]] int waker() const noexcept { return waker_; }
    [[nodiscard]] state_table& states() noexcept { return states_; }

    // Frees the states that were closed since the last batch.
    void bury() noexcept;
    // What a poller has seen; finished operations are reported. In verbs.hpp.
    void ready(reactor_state& state, std::uint32_t events, completions& finished);
    // Ends everything that waits on this socket with a system's code.
    void fail(reactor_state& state, int raw, completions& finished);
    // The time left until then, not negative.
    [[nodiscard]] std::int64_t nanoseconds_until(time_point until) const noexcept;

private:
    // From now on the poller watches this socket, for its life; 0 or the system's code.
    [[nodiscard]] virtual int watch(reactor_state& state) noexcept = 0;
    // It no longer does, though the descriptor lives on (R67).
    virtual void unwatch(reactor_state& state) noexcept = 0;
    // Tells again what it told last, if that still holds.
    virtual void tell_again(reactor_state& state) noexcept = 0;

    [[nodiscard]] reactor_state* take(int fd, socket_kind kind, int& failed) noexcept;
    [[nodiscard]] progress begin_connect(operation& op, reactor_state& state);
    [[nodiscard]] progress go_on_connecting(operation& op, reactor_state& state,
                                            std::uint32_t events);
    [[nodiscard]] int release(reactor_state& state, control_request& asked) noexcept;
    void note_connected(const reactor_state& state) noexcept;
    [[nodiscard]] int connected_for(const reactor_state& state,
                                    std::chrono::milliseconds& time) noexcept;
    void pause(reactor_state& state) noexcept;
    void serve_write(reactor_state& state, std::uint32_t events, completions& finished);
    // Apart from submit(), so that its commonest ways keep no registers for the others.
    THOLE_APART bool submit_write(operation& op, reactor_state& state);
    THOLE_APART bool submit_unusual(operation& op, reactor_state& state);
    THOLE_APART bool wait_for(operation_queue& queue, operation& op) noexcept;
    THOLE_APART void ready_unusual(reactor_state& state, std::uint32_t events,
                                   completions& finished);
    THOLE_APART void serve_read(reactor_state& state, completions& finished);
    void serve_accepts(reactor_state& state, completions& finished);

    loop_core& core_;
    state_table states_;
    socket_state* closed_ = nullptr;  // through `next`
    int limit_;
    int waker_ = -1;
};

// src/posix/epoll.cpp, src/posix/select.cpp
[[nodiscard]] backend_choice epoll_backend(loop_core& core);
[[nodiscard]] backend_choice select_backend(loop_core& core);

}  // namespace thole::detail
