// SPDX-License-Identifier: BSL-1.0
// What every backend of this room shares: how sockets are made, taken over, asked and given away,
// how the loop is woken, the clock.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/attributes.hpp"
#include "core/backend.hpp"
#include "core/backends.hpp"

namespace thole::detail {

// A socket's state, as far as the backends agree. An idle connection is little else.
struct native_state : socket_state {
    // What ended the connection (an errno, all below 256): the system tells it once, to whoever
    // asks first, and answers an end of stream from then on.
    std::uint8_t broken = 0;
    int fd = -1;
};

class native_backend : public backend {
public:
    native_backend(const native_backend&) = delete;
    native_backend& operator=(const native_backend&) = delete;
    ~native_backend() override;

    socket_state* open(socket_kind kind, std::error_code& error) final;
    socket_state* adopt(const loose_socket& loose, std::error_code& error) final;
    std::error_code control(socket_state& state, control_request& asked) final;
    void wake() noexcept final;
    time_point now() const noexcept final;

protected:
    // Whether calls on its sockets may wait: the kernel's own waiting (R98), or ours.
    enum class mode : bool { nonblocking, blocking };

    native_backend(loop_core& core, mode sockets, offer_function offering,
                   hand_function reading = nullptr, hand_function writing = nullptr) noexcept
        : backend(offering, reading, writing), core_(core), sockets_(sockets) {}

    // Makes the descriptor that wake() writes to; 0 or the system's code.
    [[nodiscard]] int open_waker() noexcept;
    [[nodiscard]] int waker() const noexcept { return waker_; }
    [[nodiscard]] loop_core& core() noexcept { return core_; }
    // From now on it counts as connected.
    void note_connected(const native_state& state) noexcept { since(state) = steps_now(); }
    // The time as `since` counts it, never 0.
    [[nodiscard]] static std::uint32_t steps_now() noexcept;
    // R69: the listener's clients that wait are reset, where it was opened for that and `raw` says
    // that a descriptor is lacking.
    void shed(const native_state& state, listener_half& door, int raw) noexcept;
    // The time left until then, not negative.
    [[nodiscard]] std::int64_t nanoseconds_until(time_point until) const noexcept;

private:
    // A state for this descriptor, which stays the caller's when that fails.
    [[nodiscard]] virtual native_state* take(int fd, socket_kind kind, int& failed) noexcept = 0;
    // A connected socket that was just taken: whatever it needs for its life; 0 or a code.
    [[nodiscard]] virtual int attach(native_state& state) noexcept = 0;
    // Both, for one that is connected already. Null: a code.
    [[nodiscard]] native_state* welcome(int fd, socket_kind kind, int& failed) noexcept;
    // The descriptor goes, and lives on elsewhere. 0 or a code, and then it stays.
    [[nodiscard]] virtual int detach(native_state& state) noexcept = 0;
    // A listener listens now; 0 or a code.
    [[nodiscard]] virtual int listening(native_state& state) noexcept = 0;
    // When it was connected, in steps; 0: it is not.
    [[nodiscard]] virtual std::uint32_t& since(const native_state& state) noexcept = 0;

    [[nodiscard]] int release(native_state& state, control_request& asked) noexcept;
    [[nodiscard]] int keep_reserve() noexcept;  // 0 or a code
    [[nodiscard]] int connected_for(const native_state& state,
                                    std::chrono::milliseconds& time) noexcept;

    loop_core& core_;
    int waker_ = -1;
    int reserve_ = -1;  // given up for a moment to take a client for whom there is no other
    mode sockets_;
};

// What default_backend() says; another one in tests alone.
THOLE_INSIDE extern backend_kind preferred_backend;

}  // namespace thole::detail
