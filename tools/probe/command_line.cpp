// SPDX-License-Identifier: BSL-1.0
// CLI11 stays in here. It only sorts the words; what they mean, and what is said when they mean
// nothing, is ours: one line, always.
#include "command_line.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace probe {
namespace {

struct raw_words {
    bool help = false;
    bool version = false;
    bool json = false;
    std::optional<std::string> backend;
    std::optional<std::string> timeout;
    std::optional<std::string> hold;
    std::vector<std::string> targets;
    std::vector<std::string> unexpected;
    bool check = false;
    bool demo = false;
};

command_line refuse(std::string_view why) {
    std::string line = fmt::format("thole-probe: {}", why);
    std::ranges::replace_if(
        line, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    command_line given;
    given.text = line + '\n';
    return given;
}

raw_words sort_words(int count, char** words) {
    raw_words given;
    CLI::App app;
    app.set_help_flag();  // help is a word like the others: it must not stop the parsing
    app.allow_windows_style_options(false);
    app.allow_extras();
    app.require_subcommand(0, 1);
    app.add_flag("-h,--help", given.help);
    app.add_flag("-V,--version", given.version);
    app.add_flag("--json", given.json);
    app.add_option("--backend", given.backend)->type_name("NAME");
    CLI::App* check = app.add_subcommand("check");
    check->fallthrough();
    check->add_option("TARGET", given.targets);
    check->add_option("-t,--timeout", given.timeout)->type_name("DUR");
    check->add_option("--hold", given.hold)->type_name("DUR");
    CLI::App* demo = app.add_subcommand("demo");
    demo->fallthrough();
    app.parse(count, words);
    given.check = check->parsed();
    given.demo = demo->parsed();
    given.unexpected = app.remaining(true);
    std::erase(given.unexpected, "--");  // CLI11 lists it, though it does what it should
    return given;
}

std::string about_unexpected(const raw_words& given) {
    const std::string& first = given.unexpected.front();
    if (first.starts_with('-')) return fmt::format("unknown option {}; see --help", first);
    if (given.demo) return fmt::format("demo takes no argument, not '{}'", first);
    if (first.find(':') != std::string::npos) {
        return fmt::format("no command given; did you mean `thole-probe check {}`?", first);
    }
    return fmt::format("unknown command '{}'; the commands are check and demo", first);
}

// Fills in `time` where the option was given, or says what is wrong.
template <class Time>
std::string take_duration(const char* option, const std::optional<std::string>& text, Time& time) {
    if (!text) return {};
    const auto read = read_duration(*text);
    if (!read.wrong.empty()) return fmt::format("{} {}", option, read.wrong);
    time = read.value;
    return {};
}

std::string take_backend(const std::optional<std::string>& name, thole::backend_kind& kind) {
    if (!name || *name == "auto") return {};
    const thole::result<thole::backend_kind> found = thole::parse_backend(*name);
    if (!found) {
        return fmt::format("--backend '{}': no such backend; they are auto, epoll, select, "
                           "io_uring, iocp and sim",
                           *name);
    }
    kind = *found;
    return {};
}

std::string take_targets(const std::vector<std::string>& words, std::vector<target>& targets) {
    if (words.empty()) return "check: no target; give at least one, as example.net:443";
    for (const std::string& word : words) {
        reading<target> read = read_target(word);
        if (!read.wrong.empty()) return read.wrong;
        targets.push_back(std::move(read.value));
    }
    return {};
}

command_line judge(const raw_words& given) {
    command_line out;
    out.json = given.json;
    if (given.help) {
        const topic about = given.check ? topic::check : given.demo ? topic::demo : topic::all;
        out.todo = command_line::job::say;
        out.text = help_text(about);
        return out;
    }
    if (!given.unexpected.empty()) return refuse(about_unexpected(given));
    std::string wrong = take_backend(given.backend, out.backend);
    if (wrong.empty()) wrong = take_duration("--timeout", given.timeout, out.asked.timeout);
    if (wrong.empty()) wrong = take_duration("--hold", given.hold, out.asked.hold);
    if (wrong.empty() && given.check) wrong = take_targets(given.targets, out.targets);
    if (!wrong.empty()) return refuse(wrong);
    if (given.version) {
        out.todo = command_line::job::version;
    } else if (given.check) {
        out.todo = command_line::job::check;
    } else if (given.demo) {
        out.todo = command_line::job::demo;
    } else {
        out.text = help_text(topic::all);
    }
    return out;
}

}  // namespace

command_line read_command_line(int count, char** words) {
    try {
        return judge(sort_words(count, words));
    } catch (const CLI::ParseError& error) {
        return refuse(error.what());
    }
}

}  // namespace probe
