// SPDX-License-Identifier: BSL-1.0
// What differs by platform: the demo's other side, sockets of the system itself and not thole's.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <thole/endpoint.hpp>

namespace probe {

/// A socket on the loopback address. Each member of it that fails throws std::system_error.
class peer {
public:
    enum class kind {
        listening,  ///< the system accepts for it
        bound,      ///< has its port and does not listen
        silent,     ///< listens, and the system never answers
    };
    explicit peer(kind of);
    peer(const peer&) = delete;
    peer& operator=(const peer&) = delete;
    ~peer();

    [[nodiscard]] thole::endpoint where() const noexcept {
        return thole::endpoint::loopback(thole::address_family::ipv4, port_);
    }
    /// Accepts a client if there is one; never waits.
    [[nodiscard]] bool take();
    /// Resets the client that take() took (SO_LINGER 1, 0).
    void reset();

private:
    void open(kind of);
    void fill();  ///< connects to it until a connect stays pending
    void close() noexcept;

    std::uintptr_t door_;
    std::uintptr_t taken_;
    std::vector<std::uintptr_t> fillers_;
    std::uint16_t port_ = 0;
};

/// What the system's raw codes are: "errno" or "winsock".
[[nodiscard]] std::string_view code_family() noexcept;

}  // namespace probe
