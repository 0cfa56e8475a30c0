// SPDX-License-Identifier: BSL-1.0
#include "suite.hpp"

#include "differences.hpp"
#include "stage.hpp"
#include "support/forbidden.hpp"
#include "support/raw_peer.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

namespace thole::conformance {
namespace {

constexpr std::array pairings{
    pairing{"asio-client/asio-server", false, false},
    pairing{"thole-client/thole-server", true, true},
    pairing{"thole-client/asio-server", true, false},
    pairing{"asio-client/thole-server", false, true},
};

struct tally {
    std::size_t ran = 0;
    std::size_t failed = 0;
    std::size_t skipped = 0;
};

run_options options;
std::vector<difference> rows;
std::vector<std::string> table_problems;
std::map<std::string_view, trace> references;
std::array<tally, pairings.size()> tallies;

bool on_sim() { return options.backend == "sim"; }
std::string_view platform() { return test::raw::is_windows() ? "windows" : "posix"; }

// ---- The record, in the form of tests/support/test_main.cpp.

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char letter : text) {
        if (letter == '"' || letter == '\\') out += '\\';
        out += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
    }
    return out + '"';
}

void record(std::string_view name, std::string_view result, std::string_view reason,
            double seconds = 0) {
    static std::ofstream file = [] {
        const char* folder = std::getenv("THOLE_RECORD");
        if (folder == nullptr || options.suite.empty()) return std::ofstream();
        return std::ofstream(std::string(folder) + '/' + options.suite + '-' + options.backend +
                                 ".jsonl",
                             std::ios::app);
    }();
    if (file.is_open()) {
        file << "{\"suite\":" << quoted(options.suite) << ",\"backend\":" << quoted(options.backend)
             << ",\"case\":" << quoted(name) << ",\"result\":" << quoted(result)
             << ",\"reason\":" << quoted(reason) << ",\"seconds\":" << seconds << "}" << std::endl;
    }
}

// ---- Playing.

trace play(const scenario& one, const pairing& who) {
    const auto make = [](bool thole) {
        return thole ? make_thole_driver(options.backend) : make_asio_driver();
    };
    auto client = make(who.client_is_thole);
    auto server = on_sim() && who.client_is_thole ? nullptr : make(who.server_is_thole);
    stage on(*client, server ? *server : *client);
    try {
        one.play(on);
    } catch (const std::exception& end) {
        on.line("(it stopped) " + std::string(end.what()));
    }
    client.reset();  // before the steps that they hold
    server.reset();
    return on.trace();
}

const trace& reference_of(const scenario& one) {
    const auto known = references.find(one.name);
    if (known != references.end()) return known->second;
    return references.emplace(one.name, play(one, pairings[0])).first->second;
}

std::string reason_to_skip(const scenario& one) {
    if (std::string why = test::what_forbids_io_uring(options.backend); !why.empty()) return why;
    if (test::raw::is_windows() && !one.not_on_windows.empty()) {
        return std::string(one.not_on_windows);
    }
    if (on_sim() && !one.not_on_sim.empty()) return std::string(one.not_on_sim);
    if (one.needs_ipv6 && !test::raw::has_ipv6()) return "this machine has no IPv6";
    return "";
}

std::string together(const trace& lines) {
    std::string all;
    for (const std::string& line : lines) all += "\n    " + line;
    return all;
}

// A trace that stopped, or has nothing in it, proves nothing, whatever it equals.
std::vector<std::string> problems_of(const scenario& one, const pairing& who) {
    const trace& reference = reference_of(one);
    const trace played = play(one, who);
    std::vector<std::string> problems = compare(one.name, who, platform(), reference, played, rows);
    BOOST_TEST_MESSAGE(std::string(one.name) + " " + std::string(who.name) + together(played));
    if (reference.empty()) problems.push_back("its trace is empty");
    for (const trace* each : {&reference, &played}) {
        if (!each->empty() && each->back().starts_with("(it stopped)")) {
            problems.push_back(each->back());
        }
    }
    if (!problems.empty()) {
        problems.push_back("Boost.Asio with itself:" + together(reference));
        problems.push_back(std::string(who.name) + ":" + together(played));
    }
    return problems;
}

void run_case(const scenario& one, std::size_t which) {
    const pairing& who = pairings[which];
    const std::string name = std::string(one.name) + " " + std::string(who.name);
    if (const std::string reason = reason_to_skip(one); !reason.empty()) {
        ++tallies[which].skipped;
        record(name, "skipped", reason);
        BOOST_TEST(true);
        return;
    }
    record(name, "started", "");
    const auto begun = std::chrono::steady_clock::now();
    const std::vector<std::string> problems = problems_of(one, who);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    ++tallies[which].ran;
    if (!problems.empty()) ++tallies[which].failed;
    for (const std::string& problem : problems) {
        BOOST_ERROR(options.backend << " " << name << ": " << problem);
    }
    BOOST_TEST(problems.empty());
    record(name, problems.empty() ? "passed" : "failed", problems.empty() ? "" : problems.front(),
           took.count());
}

// What is wrong with a row beside the traces, or nothing.
std::string flaw_of(const difference& row) {
    const auto one = std::ranges::find(scenarios(), row.scenario, &scenario::name);
    if (one == scenarios().end()) {
        return "there is no such scenario";
    }
    if (row.platform != "posix" && !one->not_on_windows.empty()) {
        return "the scenario does not run on windows, where nothing could prove the row";
    }
    return "";
}

// The table by itself: rows that can be read, each of a scenario that there is.
void run_table() {
    record("differences.md", "started", "");
    std::vector<std::string> problems = table_problems;
    for (const difference& row : rows) {
        if (const std::string flaw = flaw_of(row); !flaw.empty()) {
            problems.push_back("stale " + row.text() + ": " + flaw);
        }
    }
    for (const std::string& problem : problems) {
        BOOST_ERROR(problem);
    }
    BOOST_TEST(problems.empty());
    record("differences.md", problems.empty() ? "passed" : "failed",
           problems.empty() ? "" : problems.front());
}

}  // namespace

void prepare(const run_options& given) {
    options = given;
    if (!options.guard.empty()) guard = std::chrono::milliseconds(std::stol(options.guard));
    std::ifstream file(options.differences, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + options.differences);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    rows = read_differences(text, table_problems);
    std::ranges::sort(scenarios(), {}, &scenario::name);
}

bool register_cases() {
    using boost::unit_test::make_test_case;
    auto& all = boost::unit_test::framework::master_test_suite();
    all.add(make_test_case(&run_table, "table", __FILE__, __LINE__));
    for (std::size_t which = 0; which < pairings.size(); ++which) {
        if (on_sim() && !(pairings[which].client_is_thole && pairings[which].server_is_thole)) {
            continue;  // Boost.Asio is not on that network
        }
        std::string name(pairings[which].name);
        std::ranges::replace(name, '/', '_');  // a slash parts levels in --run_test
        auto* suite = BOOST_TEST_SUITE(name);
        for (const scenario& one : scenarios()) {
            suite->add(make_test_case([&one, which] { run_case(one, which); },
                                      std::string(one.name), __FILE__, __LINE__));
        }
        all.add(suite);
    }
    return true;
}

void print_summary() {
    for (std::size_t which = 0; which < pairings.size(); ++which) {
        const tally& count = tallies[which];
        if (count.ran + count.skipped == 0) continue;
        std::printf("conformance %s %s: %zu scenarios, %zu failed, %zu skipped\n",
                    options.backend.c_str(), pairings[which].name.data(), count.ran, count.failed,
                    count.skipped);
    }
    for (const scenario& one : scenarios()) {
        if (const std::string reason = reason_to_skip(one); !reason.empty()) {
            std::printf("skip: %s on %s: %s\n", one.name.data(), options.backend.c_str(),
                        reason.c_str());
        }
    }
}

}  // namespace thole::conformance
