// SPDX-License-Identifier: BSL-1.0
// What the examples have in common, and what has nothing to do with sockets: options with values.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace examples {

class command_line {
public:
    command_line(const char* program, const char* what_it_does);
    command_line(const command_line&) = delete;
    command_line& operator=(const command_line&) = delete;
    ~command_line();

    // Each variable holds what is used where the option is absent.
    void option(const char* name, std::string& value, const char* help);
    void option(const char* name, unsigned& value, const char* help);

    // The exit code, where the program is to end at once: --help, or words that make no sense.
    [[nodiscard]] std::optional<int> read(int count, char** words);

private:
    std::unique_ptr<CLI::App> app_;
};

}  // namespace examples
