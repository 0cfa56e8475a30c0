// SPDX-License-Identifier: BSL-1.0
// nlohmann-json stays in here. Schema 1: only ever added to; what is unknown is null.
#include "report.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thole/version.hpp>

#include "peers.hpp"

namespace probe {
namespace {

using json = nlohmann::ordered_json;

json or_null(const std::optional<double>& value) { return value ? json(*value) : json(); }
json or_null(const std::optional<thole::endpoint>& value) {
    return value ? json(value->to_string()) : json();
}
json or_null(std::string_view text) { return text.empty() ? json() : json(text); }

json milliseconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

std::string rfc3339(std::chrono::system_clock::time_point time) {
    const auto whole = std::chrono::floor<std::chrono::milliseconds>(time);
    const auto day = std::chrono::floor<std::chrono::days>(whole);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(whole - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", int(date.year()),
                       unsigned(date.month()), unsigned(date.day()), clock.hours().count(),
                       clock.minutes().count(), clock.seconds().count(),
                       clock.subseconds().count());
}

std::string_view family(const std::error_code& error) {
    if (error.category() == thole::category()) return "thole";
    if (error.category() == std::generic_category()) return "errno";
    return code_family();
}

json error_of(const finding& of) {
    if (!of.error) return json();
    return {
        {"outcome", word(of.result)},   {"category", family(of.error)},
        {"value", of.error.value()},    {"name", or_null(thole::symbol(of.error))},
        {"message", message(of.error)}, {"phase", word(of.ended)},
    };
}

json attempts_of(const finding& of) {
    json out = json::array();
    double before = 0;
    for (const thole::tcp::attempt& each : of.attempts) {
        before += milliseconds(each.took).get<double>();
        out.push_back({{"remote", each.target.to_string()},
                       {"outcome", word(outcome_of(each.error))},
                       {"took_ms", milliseconds(each.took)},
                       {"name", or_null(thole::symbol(each.error))}});
    }
    if (of.connect_ms) {
        out.push_back({{"remote", or_null(of.remote)},
                       {"outcome", word(outcome::open)},
                       {"took_ms", std::max(*of.connect_ms - before, 0.0)},
                       {"name", nullptr}});
    }
    return out;
}

json target_of(const finding& of) {
    return {
        {"target", {{"input", of.of.input}, {"host", of.of.host}, {"port", of.of.port}}},
        {"outcome", word(of.result)},
        {"remote", or_null(of.remote)},
        {"local", or_null(of.local)},
        {"dns_ms", or_null(of.dns_ms)},
        {"connect_ms", or_null(of.connect_ms)},
        {"total_ms", or_null(of.total_ms)},
        {"tls_ms", nullptr},
        {"first_byte_ms", or_null(of.first_byte_ms)},
        {"kernel", nullptr},
        {"error", error_of(of)},
        {"attempts", attempts_of(of)},
    };
}

json target_of(const demonstration& of) {
    json out = target_of(of.found);
    out["peer"] = of.peer;
    out["expected"] = word(of.expected);
    out["cause"] = cause(of.found);
    return out;
}

outcome result_of(const finding& of) { return of.result; }
outcome result_of(const demonstration& of) { return of.found.result; }

template <class Found>
void describe(json& out, const std::vector<Found>& all) {
    json& summary = out["summary"];
    json by_outcome = json::object();
    const auto is_open = [](const Found& each) { return result_of(each) == outcome::open; };
    const auto open = static_cast<std::size_t>(std::ranges::count_if(all, is_open));
    for (const Found& each : all) {
        out["targets"].push_back(target_of(each));
        json& count = by_outcome[std::string(word(result_of(each)))];
        count = count.is_null() ? 1 : count.get<int>() + 1;
    }
    summary["targets"] = all.size();
    summary["open"] = open;
    summary["failed"] = all.size() - open;
    summary["by_outcome"] = by_outcome;
}

std::string line_of(const json& value) {
    return value.dump(2, ' ', false, json::error_handler_t::replace) + '\n';
}

}  // namespace

std::string as_json(const run_record& of) {
    json out = {
        {"schema", 1},
        {"run",
         {
             {"tool", "thole-probe"},
             {"version", thole::version},
             {"command", of.command},
             {"time", rfc3339(of.began)},
             {"backend", or_null(of.backend.name)},
             {"reason", of.backend.reason},
             {"timeout_ms", of.command == "check" ? milliseconds(of.asked.timeout) : json()},
             {"hold_ms", of.asked.hold ? milliseconds(*of.asked.hold) : json()},
         }},
        {"targets", json::array()},
        {"summary", json::object()},
    };
    std::visit([&out](const auto& all) { describe(out, all); }, of.found);
    out["summary"]["elapsed_ms"] = of.elapsed_ms;
    out["summary"]["exit_code"] = static_cast<int>(of.code);
    return line_of(out);
}

std::string version_as_json() {
    return line_of({{"schema", 1}, {"tool", "thole-probe"}, {"version", thole::version}});
}

}  // namespace probe
