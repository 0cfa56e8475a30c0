// SPDX-License-Identifier: BSL-1.0
// Whole flows under a script: what they start must end, whatever the system answers.
#pragma once

#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "rig.hpp"

namespace thole::test {

// What came of a flow.
struct account {
    std::size_t started = 0;
    std::size_t ended = 0;
    std::size_t late = 0;  // ended by the deadline that nothing here should reach
    bool hung = false;     // the loop itself had to be stopped
    bool complete = false;
    std::vector<std::error_code> errors{};

    // Around each operation.
    void begin() { ++started; }
    bool end(const std::error_code& error);
};

// A flow on one loop, from its making to its end: each takes what one side must see from the other.
using flow = std::function<account(backend_kind)>;

// Listen, accept, connect, write, read, shut down, close: `text` goes there and back.
[[nodiscard]] account echo_flow(backend_kind kind, const std::string& text = "thole");
// Connects: refused, from an address of ours, to a peer that never answers until it is cancelled.
[[nodiscard]] account connect_flow(backend_kind kind);
// The loop ends while an accept, a connect, a read and a write are pending: none is told.
[[nodiscard]] account end_flow(backend_kind kind);

// How a call fails: the results that say so, and what the system could give as the reason.
struct failing_call {
    std::string_view name;
    std::intptr_t result;
    std::vector<int> errors;
    // What it does all the same before it says that it failed; may be null.
    void (*before)(const script::call&) = nullptr;
};

// FI02: runs the flow again and again; in the nth run the nth call of all fails, alone and with the
// next ones, with each of its errors in turn. `failures` must know every call. `settled()` is asked
// after each run.
void fail_each_call(const flow& run, backend_kind kind, std::span<const failing_call> failures,
                    const std::function<void()>& settled);

// Everything that the recorded calls made was closed, and once: handles by the names of the calls
// that make them.
void check_closed(std::span<const std::string_view> makers,
                  std::span<const std::string_view> closers);

}  // namespace thole::test
