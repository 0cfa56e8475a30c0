// SPDX-License-Identifier: BSL-1.0
// What was found, for a person and for a program. Each gives the whole text.
#pragma once

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "words.hpp"

namespace probe {

using findings = std::variant<std::vector<finding>, std::vector<demonstration>>;

struct run_record {
    std::string command;
    thole::backend_info backend;
    std::chrono::system_clock::time_point began;
    double elapsed_ms = 0;
    limits asked;
    exit_code code = local;
    findings found;
};

[[nodiscard]] std::string as_text(const run_record& of);
[[nodiscard]] std::string as_json(const run_record& of);
[[nodiscard]] std::string version_as_json();

}  // namespace probe
