// SPDX-License-Identifier: BSL-1.0
#include "report.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <thole/version.hpp>

namespace probe {
namespace {

// Rows of columns, each as wide as its widest cell; the columns in `right` end at one place.
class table {
public:
    explicit table(std::vector<bool> right) : right_(std::move(right)) {}

    void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

    [[nodiscard]] std::string text() const {
        std::vector<std::size_t> width(right_.size());
        for (const auto& cells : rows_) {
            for (std::size_t i = 0; i < cells.size(); ++i) {
                width[i] = std::max(width[i], cells[i].size());
            }
        }
        std::string out;
        for (const auto& cells : rows_) {
            std::string line;
            for (std::size_t i = 0; i < cells.size(); ++i) {
                const char* form = right_[i] ? "{:>{}}  " : "{:<{}}  ";
                line += fmt::format(fmt::runtime(form), cells[i], width[i]);
            }
            line.erase(line.find_last_not_of(' ') + 1);
            out += line + '\n';
        }
        return out;
    }

private:
    std::vector<bool> right_;
    std::vector<std::vector<std::string>> rows_;
};

std::string milliseconds(const finding& of) {
    const std::optional<double> time = of.result == outcome::open ? of.connect_ms : of.total_ms;
    return time ? fmt::format("{:.1f} ms", *time) : "-";
}

// How long the name took, apart from the connecting.
std::string advice(const finding& of) {
    const std::string words = hint(of);
    if (!of.dns_ms) return words;
    return fmt::format("{}{}name {:.1f} ms", words, words.empty() ? "" : "; ", *of.dns_ms);
}

// Below the row of a name that has several addresses: each that was tried.
void add_attempts(table& out, const finding& of) {
    if (of.addresses < 2) return;
    for (const thole::tcp::attempt& each : of.attempts) {
        const double took = std::chrono::duration<double, std::milli>(each.took).count();
        out.row({"  " + std::string(word(outcome_of(each.error))), each.target.to_string(),
                 fmt::format("{:.1f} ms", took), ""});
    }
    if (of.connect_ms && of.remote) {
        out.row({"  " + std::string(word(outcome::open)), of.remote->to_string(), "", ""});
    }
}

std::string rows(const std::vector<finding>& all) {
    table out({false, false, true, false});
    for (const finding& each : all) {
        out.row({std::string(word(each.result)), each.of.input, milliseconds(each), advice(each)});
        add_attempts(out, each);
    }
    std::string text = out.text();
    if (all.size() > 1) {
        const auto open = std::ranges::count(all, outcome::open, &finding::result);
        text += fmt::format("{} of {} open\n", open, all.size());
    }
    return text;
}

std::string rows(const std::vector<demonstration>& all) {
    table out({false, false, false, false, true, false});
    out.row({"target", "peer", "expected", "outcome", "time", "cause"});
    for (const demonstration& each : all) {
        const finding& found = each.found;
        out.row({found.of.input, each.peer, std::string(word(each.expected)),
                 std::string(word(found.result)), milliseconds(found), cause(found)});
    }
    const auto fine = std::ranges::count_if(all, &demonstration::as_expected);
    return out.text() + fmt::format("{} of {} as expected\n", fine, all.size());
}

}  // namespace

std::string as_text(const run_record& of) {
    std::string out;
    if (std::holds_alternative<std::vector<demonstration>>(of.found)) {
        out = fmt::format("thole {}, backend {}: {}\n", thole::version, of.backend.name,
                          of.backend.reason);
    }
    return out + std::visit([](const auto& all) { return rows(all); }, of.found);
}

}  // namespace probe
