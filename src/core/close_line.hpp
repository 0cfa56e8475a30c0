// SPDX-License-Identifier: BSL-1.0
// The graceful closes of a loop: those that run, up to a bound, and those that stand in line.
#pragma once

#include <cstddef>
#include <memory>

#include <thole/close_gracefully.hpp>

namespace thole::detail {

struct close_line {
    // Many handlers run in a turn: what is read in one step is little beside what a turn may take.
    static constexpr std::size_t discard_size = std::size_t{16} << 10;

    // True: it may run now. False: it stands at the end of the line.
    [[nodiscard]] bool enter(tcp::close_gracefully_op& op) noexcept;
    void leave(tcp::close_gracefully_op& op) noexcept;
    // Those whose turn has come.
    void move_up() noexcept;
    // Where bytes go that nobody wants, from any number of sockets at once; null: no memory.
    [[nodiscard]] std::byte* discard() noexcept;

    std::size_t most = 1;
    std::size_t running = 0;
    std::size_t standing = 0;
    tcp::close_gracefully_op* first = nullptr;
    tcp::close_gracefully_op* last = nullptr;
    std::unique_ptr<std::byte[]> discarded;
};

}  // namespace thole::detail
