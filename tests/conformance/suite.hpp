// SPDX-License-Identifier: BSL-1.0
// The scenarios as Boost.Test cases: one suite a pairing, one case a scenario.
#pragma once

#include <string>

namespace thole::conformance {

struct run_options {
    std::string backend;
    std::string suite;        // the name in the record, which goes to $THOLE_RECORD
    std::string differences;  // the path of differences.md
    std::string guard;        // how many milliseconds a scenario may take; empty: enough
};

// Throws std::runtime_error where the table cannot be read.
void prepare(const run_options& options);
// Boost.Test's initialisation: registers the cases.
bool register_cases();
// A line a pairing: how many scenarios ran, and how many failed.
void print_summary();

}  // namespace thole::conformance
