// SPDX-License-Identifier: BSL-1.0
#include "check.hpp"

#include <array>

namespace probe {
namespace {

double milliseconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

template <class T>
std::optional<T> known(const thole::result<T>& from) {
    return from ? std::optional<T>(*from) : std::nullopt;
}

// The address whose error is that of the whole: of several the last.
std::optional<thole::endpoint> tried(const finding& of) {
    std::optional<thole::endpoint> target;
    for (const thole::tcp::attempt& each : of.attempts) {
        if (each.error == of.error) target = each.target;
    }
    return target;
}

}  // namespace

thole::task<> probe_one(thole::loop& on, finding& into) {
    const thole::time_point begin = on.now();
    const auto since = [&] { return milliseconds(on.now() - begin); };
    const thole::deadline until = thole::at(begin + into.asked.timeout);  // one for both halves
    into.ended = phase::resolve;
    auto found = co_await thole::resolve(on, into.of.host, into.of.port, until);
    if (!into.of.where) into.dns_ms = since();
    into.total_ms = since();
    if (!found) {
        into.error = found.error();
        into.result = outcome_of(into.error);
        co_return;
    }
    into.ended = phase::connect;
    into.addresses = found->size();
    auto made = co_await thole::tcp::connect_by_list(on, *found, until);
    into.total_ms = since();
    into.error = made.error();
    into.attempts.assign(made.attempts().begin(), made.attempts().end());
    into.remote = into.of.where ? std::optional(into.of.where) : tried(into);
    if (made) {
        into.connect_ms = *into.total_ms - into.dns_ms.value_or(0);
        into.local = known(made->local());
        if (auto peer = made->peer()) into.remote = *peer;  // 0.0.0.0 was the loopback address
        if (into.asked.hold) {
            into.ended = phase::receive;
            std::array<std::byte, 512> buffer;
            auto got = co_await made->read(buffer, thole::within(*into.asked.hold));
            into.total_ms = since();
            if (got) {
                into.first_byte_ms = into.total_ms;
            } else if (got.error() != thole::errc::deadline_reached) {  // a quiet peer is open
                into.error = got.error();
            }
        }
    }
    into.result = outcome_of(into.error);
}

std::vector<finding> check(thole::loop& on, const std::vector<target>& targets,
                           const limits& asked) {
    std::vector<finding> all(targets.size());
    for (std::size_t i = 0; i < targets.size(); ++i) {
        all[i].of = targets[i];
        all[i].asked = asked;
        all[i].error = on.error();
    }
    if (!on) return all;
    for (finding& each : all) on.spawn(probe_one(on, each));
    if (auto ran = on.run(); !ran) {
        for (finding& each : all) {
            if (each.result == outcome::local_error && !each.error) each.error = ran.error();
        }
    }
    return all;
}

}  // namespace probe
