// SPDX-License-Identifier: BSL-1.0
// CLI11 is slow to compile: it stays in here.
#include "command_line.hpp"

#include <CLI/CLI.hpp>

namespace examples {

command_line::command_line(const char* program, const char* what_it_does)
    : app_(std::make_unique<CLI::App>(what_it_does, program)) {
    app_->option_defaults()->always_capture_default();
}

command_line::~command_line() = default;

void command_line::option(const char* name, std::string& value, const char* help) {
    app_->add_option(name, value, help);
}

void command_line::option(const char* name, unsigned& value, const char* help) {
    app_->add_option(name, value, help);
}

std::optional<int> command_line::read(int count, char** words) {
    try {
        app_->parse(count, words);
    } catch (const CLI::ParseError& why) {
        return app_->exit(why) == 0 ? 0 : 2;
    }
    return std::nullopt;
}

}  // namespace examples
