// SPDX-License-Identifier: BSL-1.0
// thole-probe: tells open from refused from silent from reset. Results go to stdout, messages
// to stderr.
#include <cstdio>
#include <exception>

#include <fmt/format.h>
#include <thole/version.hpp>

#include "check.hpp"
#include "command_line.hpp"
#include "report.hpp"

namespace probe {
namespace {

int complain(std::string_view what, int code) {
    fmt::print(stderr, "thole-probe: {}\n", what);
    return code;
}

// A result that could not be written is no result.
int print(std::string_view text, int code) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (!written || std::fflush(stdout) != 0) return complain("cannot write to stdout", local);
    return code;
}

int report(run_record& of, const thole::loop& on, thole::time_point begin, bool as_object) {
    of.elapsed_ms = std::chrono::duration<double, std::milli>(on.now() - begin).count();
    of.code = std::visit([](const auto& all) { return verdict(all); }, of.found);
    return print(as_object ? as_json(of) : as_text(of), of.code);
}

int run(const command_line& given) {
    thole::loop on({.backend = given.backend});
    run_record record;
    record.began = std::chrono::system_clock::now();
    record.command = given.todo == command_line::job::demo ? "demo" : "check";
    record.backend = on.backend();
    record.asked = given.asked;
    if (!on) {
        const std::string_view name = thole::to_string(given.backend);
        complain(fmt::format("backend {}: {}", name, on.backend().reason), local);
        if (!given.json) return local;
        record.found = check(on, given.targets, given.asked);
        return print(as_json(record), local);
    }
    const thole::time_point begin = on.now();
    if (given.todo == command_line::job::check) {
        record.found = check(on, given.targets, given.asked);
    } else if (on.backend().kind == thole::backend_kind::sim) {
        return complain("demo: its peers are real sockets, which the simulated network does not "
                        "reach; choose another --backend",
                        local);
    } else {
        record.found = demo(on);
    }
    return report(record, on, begin, given.json);
}

int start(const command_line& given) {
    switch (given.todo) {
    case command_line::job::say:
        return print(given.text, all_open);
    case command_line::job::refuse:
        fmt::print(stderr, "{}", given.text);
        return usage;
    case command_line::job::version:
        return print(given.json ? version_as_json()
                                : fmt::format("thole-probe {}\n", thole::version),
                     all_open);
    case command_line::job::check:
    case command_line::job::demo:
        break;
    }
    return run(given);
}

}  // namespace
}  // namespace probe

int main(int count, char** words) {
    try {
        return probe::start(probe::read_command_line(count, words));
    } catch (const std::exception& error) {
        return probe::complain(error.what(), probe::local);
    }
}
