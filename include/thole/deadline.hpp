// SPDX-License-Identifier: BSL-1.0
/// \file
/// How long an operation may take.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace thole {

/// The clock of every deadline. A simulated network counts in the same unit from a start of its
/// own.
using time_point = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/// The end of what an operation may take: `within(750ms)`, `at(t)`, or `never`, the default.
///
/// `within` carries a duration. The first step of what it is passed to turns it into a point of the
/// loop's own clock, so it is one budget for everything that this call does. An operation never
/// ends by its deadline before that time has passed; one whose deadline is already past starts
/// nothing and finishes with errc::deadline_reached.
class deadline {
public:
    /// None, a duration, or a point of the clock.
    enum class form : std::uint8_t { never, relative, absolute };

    constexpr deadline() noexcept = default;

    /// Which of the three.
    [[nodiscard]] constexpr form kind() const noexcept {
        return word_ == 0 ? form::never : word_ > 0 || over() ? form::relative : form::absolute;
    }
    /// Nanoseconds: a duration when relative (0 if that was less), counted from the clock's start
    /// when absolute.
    [[nodiscard]] constexpr std::int64_t count() const noexcept {
        return word_ >= 0 ? word_ : over() ? 0 : -word_;
    }
    /// It has passed before anything starts: `within` of nothing or less.
    [[nodiscard]] constexpr bool over() const noexcept { return word_ == passed; }
    /// All of it in one number: 0 is never, more a duration, less a point (negated), the least is
    /// over already.
    [[nodiscard]] constexpr std::int64_t word() const noexcept { return word_; }

    friend constexpr bool operator==(const deadline&, const deadline&) noexcept = default;

private:
    static constexpr std::int64_t passed = std::numeric_limits<std::int64_t>::min();
    constexpr explicit deadline(std::int64_t word) noexcept : word_(word) {}

    template <class Rep, class Period>
    friend constexpr deadline within(std::chrono::duration<Rep, Period> budget) noexcept;
    friend constexpr deadline at(time_point when) noexcept;

    std::int64_t word_ = 0;
};

/// No deadline.
inline constexpr deadline never{};

/// `budget` from the moment the operation starts. A fraction of a nanosecond is rounded up; what no
/// 64 bits of nanoseconds can hold (292 years) is `never`; zero or less has passed already.
template <class Rep, class Period>
[[nodiscard]] constexpr deadline within(std::chrono::duration<Rep, Period> budget) noexcept {
    using wide = std::chrono::duration<double, std::nano>;
    constexpr double most = 9.2e18;
    const double estimate = std::chrono::duration_cast<wide>(budget).count();
    if (!(estimate < most)) {
        return {};
    }
    if (!(estimate > 0)) {
        return deadline(deadline::passed);
    }
    return deadline(std::chrono::ceil<std::chrono::nanoseconds>(budget).count());
}

/// No deadline, said in so many words: a hundred years. Where a socket has default times, `never`
/// stands for those, and this for none.
inline constexpr deadline unlimited = within(std::chrono::hours(24 * 36'525));

/// The point `when` of the loop's clock (`loop::now()`).
[[nodiscard]] constexpr deadline at(time_point when) noexcept {
    if (when == time_point::max()) {
        return {};
    }
    const std::int64_t count = when.time_since_epoch().count();
    return deadline(count > 0 ? -count : deadline::passed);
}

}  // namespace thole
