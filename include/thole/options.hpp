// SPDX-License-Identifier: BSL-1.0
/// \file
/// What a connection can be told besides bytes.
#pragma once

#include <chrono>
#include <type_traits>

namespace thole::tcp {

/// How a connection that says nothing is asked whether it is still there (RFC 9293 §3.8.4, tcp(7)).
/// A peer that does not answer `count` times ends the connection: what is pending, or comes next,
/// finishes with std::errc::timed_out. Zero leaves a number as the system has it (Linux: 7,200 s,
/// 75 s, 9 times).
struct keep_alive_options {
    bool on = false;                   ///< whether it is asked at all
    std::chrono::seconds idle{0};      ///< the silence before the first question
    std::chrono::seconds interval{0};  ///< between two questions that nobody answered
    int count = 0;                     ///< unanswered questions that end the connection
};
static_assert(std::is_trivially_copyable_v<keep_alive_options>);

/// How long the operations of a socket may take that are started without a deadline. Zero: as long
/// as they need.
struct transfer_times {
    std::chrono::nanoseconds read{0};   ///< reads, and what waits for something to read
    std::chrono::nanoseconds write{0};  ///< writes
    friend constexpr bool operator==(const transfer_times&,
                                     const transfer_times&) noexcept = default;
};
static_assert(std::is_trivially_copyable_v<transfer_times>);

}  // namespace thole::tcp
