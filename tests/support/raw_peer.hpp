// SPDX-License-Identifier: BSL-1.0
// Peers that speak the system's own socket calls, and what a test must ask of the system itself.
// One implementation a platform; no other test file includes a header of the system.
// Everything throws std::runtime_error when the system refuses.
#pragma once

#include <thole/endpoint.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thole::test::raw {

// How a blocking receive ended.
enum class ending : std::uint8_t { bytes, end_of_stream, reset, nothing_came };

struct reception {
    std::string bytes;
    ending how = ending::nothing_came;
};

// A blocking TCP socket. Its calls wait for ten seconds at the most.
class socket {
public:
    static constexpr std::uintptr_t none = ~std::uintptr_t{0};

    socket() noexcept = default;
    explicit socket(std::uintptr_t native) noexcept : native_(native) {}
    socket(socket&& other) noexcept : native_(std::exchange(other.native_, none)) {}
    socket& operator=(socket&& other) noexcept {
        std::swap(native_, other.native_);
        return *this;
    }
    ~socket() { close(); }

    static socket connect(const endpoint& target);
    // Bound to a free port of the loopback address, and listening unless `backlog` is negative.
    static socket bind(address_family family, int backlog);
    // Bound, of datagrams.
    static socket datagram();

    socket accept();
    void send(std::string_view bytes);
    reception receive(std::size_t at_most);
    // Until `count` bytes came, or the end.
    reception receive_all(std::size_t count);
    void finish();  // our FIN
    void reset();   // SO_LINGER {1, 0} and close: a reset on the wire
    void close() noexcept;
    [[nodiscard]] endpoint local() const;
    [[nodiscard]] std::uintptr_t native() const noexcept { return native_; }
    // It is somebody else's from here on.
    std::uintptr_t give() noexcept { return std::exchange(native_, none); }
    void set_linger(int seconds);
    [[nodiscard]] bool lingers() const;

private:
    std::uintptr_t native_ = none;
};

// A listener whose backlog is full: a connection to it stays pending.
class silent_port {
public:
    silent_port();
    [[nodiscard]] endpoint where() const { return door_.local(); }

private:
    socket door_;
    std::vector<socket> waiting_;
};

[[nodiscard]] bool has_ipv6();

// Descriptors, or handles, that this process has open.
[[nodiscard]] std::size_t open_handles();

// How many of `wanted` handles this process may have, with the limit lifted as far as it goes.
[[nodiscard]] std::size_t lift_handle_limit(std::size_t wanted);

// At most so many descriptors from now on, as by `ulimit -n`; gives how many it were before. POSIX;
// elsewhere nothing happens.
std::size_t limit_handles(std::size_t count);

// Opens descriptors until the number `highest` is taken. POSIX; elsewhere none.
class held_descriptors {
public:
    explicit held_descriptors(int highest);
    held_descriptors(const held_descriptors&) = delete;
    held_descriptors& operator=(const held_descriptors&) = delete;
    ~held_descriptors();

private:
    std::vector<int> held_;
};

// From now on this process can open no descriptor, but for those that are given free. POSIX;
// elsewhere nothing happens.
class no_descriptors {
public:
    no_descriptors();
    no_descriptors(const no_descriptors&) = delete;
    no_descriptors& operator=(const no_descriptors&) = delete;
    ~no_descriptors();
    void give(std::size_t count);

private:
    std::vector<int> held_;
    std::size_t limit_ = 0;
};

// Null removes it.
void set_environment(const char* name, const char* value);

// Whether calls on that socket may wait. POSIX; Windows cannot be asked.
[[nodiscard]] bool is_blocking(std::uintptr_t native);
// One end of a pair that is not of the network. POSIX.
[[nodiscard]] socket local_stream(socket& other);
// Another event loop's wait, poll(2): whether the handle was readable within that time. POSIX.
[[nodiscard]] bool readable_within(std::uintptr_t native, std::chrono::nanoseconds time);

// Which of the two platforms this is.
[[nodiscard]] bool is_windows() noexcept;

// What `child(context)` gave in a forked child, or -1 where it died or there is no fork.
[[nodiscard]] int in_forked_child(int (*child)(void*), void* context);
// From now on the system forbids this process to make an io_uring, with EPERM, as containers do.
// False: it cannot be forbidden here. There is no way back.
[[nodiscard]] bool forbid_io_uring() noexcept;
// This process becomes that command: a path and its arguments, then a null. Comes back if it
// cannot. POSIX.
void become(char** command) noexcept;

}  // namespace thole::test::raw
