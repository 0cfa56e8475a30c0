// SPDX-License-Identifier: BSL-1.0
#include "differences.hpp"

#include <algorithm>
#include <utility>

namespace thole::conformance {
namespace {

std::string trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r`";
    const auto first = text.find_first_not_of(blanks);
    if (first == text.npos) return "";
    return std::string(text.substr(first, text.find_last_not_of(blanks) - first + 1));
}

std::vector<std::string> split(std::string_view text, char at) {
    std::vector<std::string> parts;
    for (;;) {
        const auto end = text.find(at);
        parts.push_back(trimmed(text.substr(0, end)));
        if (end == text.npos) return parts;
        text.remove_prefix(end + 1);
    }
}

bool is_known_side(std::string_view line) {
    return line.starts_with("client ") || line.starts_with("server ");
}

bool is_of(const pairing& who, std::string_view line) {
    return line.starts_with("client ") ? who.client_is_thole : who.server_is_thole;
}

// What is wrong with the row by itself, or nothing.
std::string flaw(const difference& row) {
    constexpr std::size_t a_sentence = 25;
    if (row.platform != "posix" && row.platform != "windows" && row.platform != "all") {
        return "its platform is none of posix, windows, all";
    }
    if (row.ours.size() != row.theirs.size()) return "not as many lines of ours as of theirs";
    for (std::size_t i = 0; i < row.ours.size(); ++i) {
        if (!is_known_side(row.ours[i]) || !is_known_side(row.theirs[i])) {
            return "a line does not begin with client or server";
        }
        if (row.ours[i].substr(0, 6) != row.theirs[i].substr(0, 6)) {
            return "ours and theirs are lines of different sides";
        }
        if (row.ours[i] == row.theirs[i]) return "ours and theirs are the same";
    }
    if (row.reason.size() < a_sentence || !row.reason.ends_with('.')) {
        return "its reason is no sentence";
    }
    return "";
}

}  // namespace

std::string difference::text() const {
    std::string all = "row \"" + scenario + " | " + platform + " |";
    for (const std::string& line : ours) all += ' ' + line + ';';
    all.back() = ' ';
    all += '|';
    for (const std::string& line : theirs) all += ' ' + line + ';';
    all.back() = '"';
    return all;
}

std::vector<difference> read_differences(std::string_view markdown,
                                         std::vector<std::string>& problems) {
    constexpr std::size_t columns = 5;
    std::vector<difference> rows;
    for (const std::string& line : split(markdown, '\n')) {
        if (!line.starts_with('|')) continue;
        std::vector<std::string> cells = split(line, '|');
        cells.erase(cells.begin());  // before the first bar
        if (!cells.empty() && cells.back().empty()) cells.pop_back();
        if (cells.size() != columns) {
            problems.push_back("a row without its five cells: " + line);
            continue;
        }
        if (cells[0] == "scenario" || cells[0].starts_with("--")) continue;
        difference row{cells[0], cells[1], split(cells[2], ';'), split(cells[3], ';'), cells[4]};
        if (const std::string wrong = flaw(row); !wrong.empty()) {
            problems.push_back(row.text() + ": " + wrong);
            continue;
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

std::vector<std::string> compare(std::string_view scenario, const pairing& who,
                                 std::string_view platform, trace reference, const trace& played,
                                 const std::vector<difference>& rows) {
    std::vector<std::string> problems;
    std::vector<const difference*> made_by(reference.size());
    for (const difference& row : rows) {
        if (row.scenario != scenario || (row.platform != "all" && row.platform != platform)) {
            continue;
        }
        std::size_t from = 0;
        for (std::size_t i = 0; i < row.ours.size(); ++i) {
            if (!is_of(who, row.ours[i])) continue;
            while (from < reference.size() &&
                   (reference[from] != row.theirs[i] || made_by[from] != nullptr)) {
                ++from;
            }
            if (from == reference.size()) {
                problems.push_back("stale " + row.text() + ": Boost.Asio has no such line");
                break;
            }
            reference[from] = row.ours[i];
            made_by[from++] = &row;
        }
    }
    const std::size_t lines = std::max(reference.size(), played.size());
    for (std::size_t i = 0; i < lines; ++i) {
        const std::string expected = i < reference.size() ? reference[i] : "(nothing)";
        const std::string got = i < played.size() ? played[i] : "(nothing)";
        if (expected == got) continue;
        const bool by_row = i < made_by.size() && made_by[i] != nullptr;
        std::string told = by_row ? "stale " + made_by[i]->text() + ": thole no longer differs so"
                                  : std::string("a difference without a row");
        problems.push_back(told + ": expected \"" + expected + "\", got \"" + got + "\"");
    }
    return problems;
}

}  // namespace thole::conformance
