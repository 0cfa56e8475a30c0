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

}  // namespace

thole::task<> probe_one(thole::loop& on, finding& into) {
    const thole::time_point begin = on.now();
    const auto since = [&] { return milliseconds(on.now() - begin); };
    into.ended = phase::connect;
    into.remote = into.of.where;
    auto made = co_await thole::tcp::connect(on, into.of.where, thole::within(into.asked.timeout));
    into.total_ms = since();
    into.error = made.error();
    if (made) {
        into.connect_ms = into.total_ms;
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
