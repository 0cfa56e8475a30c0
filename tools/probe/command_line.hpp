// SPDX-License-Identifier: BSL-1.0
// The words of the command line, read and judged before anything is sent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "words.hpp"

namespace probe {

struct command_line {
    enum class job {
        say,     ///< print `text` on stdout, done
        refuse,  ///< print `text` on stderr, a usage error
        version,
        check,
        demo,
    };
    job todo = job::refuse;
    std::string text;
    thole::backend_kind backend = thole::backend_kind::automatic;
    bool json = false;
    std::vector<target> targets;
    limits asked;
};

[[nodiscard]] command_line read_command_line(int count, char** words);

enum class topic { all, check, demo };
[[nodiscard]] std::string_view help_text(topic about) noexcept;

}  // namespace probe
