// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <limits>

#include <thole/deadline.hpp>

namespace {

using namespace std::chrono_literals;
using thole::at;
using thole::deadline;
using thole::never;
using thole::time_point;
using thole::within;
using form = deadline::form;
using picoseconds = std::chrono::duration<std::int64_t, std::pico>;
using ns = std::chrono::nanoseconds;

static_assert(std::is_trivially_copyable_v<deadline>);
static_assert(deadline{} == never);
static_assert(within(750ms).kind() == form::relative);
static_assert(within(750ms).count() == 750'000'000);
static_assert(never.kind() == form::never);

THOLE_TEST("a duration is kept in nanoseconds, a fraction rounded up", "[deadline]") {
    CHECK(within(1s).count() == 1'000'000'000);
    CHECK(within(1ns).count() == 1);
    CHECK(within(picoseconds(1)).count() == 1);
    CHECK(within(picoseconds(999)).count() == 1);
    CHECK(within(picoseconds(1000)).count() == 1);
    CHECK(within(picoseconds(1001)).count() == 2);
    CHECK(within(picoseconds(-1)).count() == 0);  // up, towards zero
    CHECK(within(24h).count() == 86'400'000'000'000);
    CHECK(within(1h) == within(60min));
}

THOLE_TEST("floating durations round up as well", "[deadline]") {
    using seconds = std::chrono::duration<double>;
    using microseconds = std::chrono::duration<float, std::micro>;
    CHECK(within(seconds(0.25)).count() == 250'000'000);
    CHECK(within(seconds(1.5e-9)).count() == 2);
    CHECK(within(microseconds(0.5F)).count() == 500);
    CHECK(within(seconds(0.0)).count() == 0);
    CHECK(within(seconds(-0.5)).over());
    CHECK(within(seconds(std::numeric_limits<double>::infinity())) == never);
    CHECK(within(seconds(std::numeric_limits<double>::quiet_NaN())) == never);
    CHECK(within(seconds(1e300)) == never);
    CHECK(within(seconds(-1e300)).over());
    CHECK(within(seconds(-std::numeric_limits<double>::infinity())).kind() == form::relative);
}

THOLE_TEST("what 64 bits cannot hold is never, and what they can is exact", "[deadline]") {
    using years = std::chrono::years;
    CHECK(within(std::chrono::hours::max()) == never);
    CHECK(within(std::chrono::seconds::max()) == never);
    CHECK(within(std::chrono::milliseconds::max()) == never);
    CHECK(within(ns::max()) == never);
    CHECK(within(years(300)) == never);
    CHECK(within(years(290)).kind() == form::relative);
    CHECK(within(years(290)).count() == ns(years(290)).count());
    CHECK(within(ns(1) + std::chrono::hours(24 * 365 * 100)).count() % 10 == 1);
}

THOLE_TEST("a negative duration has passed already, whatever its size", "[deadline]") {
    CHECK(within(0s).count() == 0);
    CHECK(within(-1ns).over());
    CHECK(within(-5s).over());
    for (const deadline past :
         {within(ns::min()), within(std::chrono::hours::min()), within(std::chrono::seconds::min()),
          within(std::chrono::years(-400))}) {
        CHECK(past.kind() == form::relative);
        CHECK(past.count() == 0);  // the loop adds it to a clock: that must not overflow
        CHECK(past.over());
    }
}

THOLE_TEST("a point of the clock", "[deadline]") {
    const time_point when{ns(12345)};
    CHECK(at(when).kind() == form::absolute);
    CHECK(at(when).count() == 12345);
    CHECK(at(time_point::max()) == never);
    CHECK(at(time_point::min()).over());  // no clock starts before its own zero
    CHECK(at(time_point{}).over());
    CHECK(at(when) == at(when));
    CHECK(at(when) != at(when + 1ns));
}

}  // namespace
