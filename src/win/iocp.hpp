// SPDX-License-Identifier: BSL-1.0
// A completion port: a proactor by nature.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/back_off.hpp"
#include "core/backend.hpp"
#include "core/backends.hpp"
#include "win/extension.hpp"
#include "win/iocp_pool.hpp"

namespace thole::detail {

// What a packet is about. Never a pointer: packets outlive what they speak of (R14).
enum class key : ULONG_PTR { wake = 1, operation, standing_accept };

struct iocp_state : socket_state {
    SOCKET socket = INVALID_SOCKET;
    const extension* provider = nullptr;
    // Success at once brings no packet: the answer for this very handle (R6).
    bool skips : 1 = false;
    // Bound already: known, never guessed from an error (R40).
    bool bound : 1 = false;
    // Given up by its owner; it waits for the kernel's last word.
    bool closed : 1 = false;
    // Calls that are not overlapped never wait.
    bool nonblocking : 1 = false;
    // What ended the connection, where it was told to somebody who only looked: Wine 8 tells it
    // once, and then an end of stream.
    int broken = 0;
};

// A request that stands ready for a connection before anybody asks. It is the listener's, and so
// are its OVERLAPPED, its socket and its addresses.
struct standing_accept {
    // Of each address: the largest one and 16 bytes, as AcceptEx asks for (R33).
    static constexpr DWORD name_size = sizeof(sockaddr_in6) + 16;

    OVERLAPPED overlapped;  // first: a packet names it
    struct listener_state* owner;
    SOCKET accepted;  // INVALID_SOCKET while it is not posted
    alignas(void*) std::byte names[2 * name_size];
};

struct listener_state final : iocp_state, listener_half {
    std::unique_ptr<standing_accept[]> standing;  // as many as the pool's ceiling
    accept_pool pool;
    std::size_t posted = 0;
    tcp::listen_options options;

    // In the batch that is being taken: somebody came, and for one of them somebody waited.
    bool came = false;
    bool claimed = false;
    // In the port's list of listeners to restock, and not before that time (R39).
    bool listed = false;
    listener_state* next_listed = nullptr;
    time_point not_before = time_point::min();
    std::chrono::nanoseconds delay = back_off::first;

    listener_half* as_listener() noexcept override { return this; }
};

class iocp final : public backend {
public:
    iocp() noexcept = default;
    ~iocp() override;

    // Makes the port; 0 or the system's code.
    [[nodiscard]] int open_port() noexcept;

    socket_state* open(socket_kind kind, std::error_code& error) override;
    socket_state* adopt(const loose_socket& loose, std::error_code& error) override;
    std::error_code control(socket_state& state, control_request& request) override;
    bool submit(operation& op) override;
    bool cancel(operation& op) override;
    void close(socket_state* state, farewell how) override;
    std::error_code wait(time_point until, completions& finished) override;
    void wake() noexcept override;
    time_point now() const noexcept override;
    std::size_t held() const noexcept override { return held_; }

private:
    [[nodiscard]] iocp_state* take(SOCKET socket, socket_kind kind, int& failed) noexcept;
    [[nodiscard]] int attach(iocp_state& state) noexcept;
    [[nodiscard]] int release(iocp_state& state, control_request& asked) noexcept;
    // Whoever sleeps in wait() is this thread from now on.
    void sleep_here() noexcept;
    [[nodiscard]] DWORD milliseconds_until(time_point until) const noexcept;
    void look_later(operation& op) noexcept;
    [[nodiscard]] bool looks_no_more(operation& op) noexcept;
    void look_again(completions& finished);
    void dequeued(const OVERLAPPED_ENTRY& packet, completions& finished);
    void restock_later(listener_state& state) noexcept;
    [[nodiscard]] time_point restock_listed(completions& finished);
    void unlist(const listener_state& closing) noexcept;
    void release_idle(iocp_state& state) noexcept;

    HANDLE port_ = nullptr;
    std::size_t held_ = 0;
    operation* looking_ = nullptr;      // for an end behind unread bytes, through `prev`
    listener_state* listed_ = nullptr;  // those that lack standing requests
    extension providers_[2];            // IPv4's, IPv6's
    std::int64_t frequency_ = 1;

    std::atomic<bool> woken_{false};     // a wake is on its way
    std::atomic<bool> unposted_{false};  // it could not be posted (R13)
    std::atomic<HANDLE> sleeper_{nullptr};
    DWORD sleeper_id_ = 0;
};

}  // namespace thole::detail
