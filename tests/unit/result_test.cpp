// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <thole/result.hpp>

namespace {

using thole::result;
using thole::unexpected;

// Counts what lives, and what was copied and moved.
struct counted {
    static inline int alive = 0;
    static inline int copies = 0;
    static inline int moves = 0;
    int value = 0;

    explicit counted(int v = 0) noexcept : value(v) { ++alive; }
    counted(const counted& other) : value(other.value) {
        ++alive;
        ++copies;
    }
    counted(counted&& other) noexcept : value(std::exchange(other.value, -1)) {
        ++alive;
        ++moves;
    }
    counted& operator=(const counted& other) {
        value = other.value;
        ++copies;
        return *this;
    }
    counted& operator=(counted&& other) noexcept {
        value = std::exchange(other.value, -1);
        ++moves;
        return *this;
    }
    ~counted() { --alive; }
};

const std::error_code refused = std::make_error_code(std::errc::connection_refused);

static_assert(std::is_same_v<result<int>::value_type, int>);
static_assert(std::is_same_v<result<int>::error_type, std::error_code>);
static_assert(std::is_same_v<result<void>::value_type, void>);
static_assert(std::is_convertible_v<int, result<int>>);
static_assert(std::is_convertible_v<unexpected, result<int>>);
static_assert(!std::is_convertible_v<int, result<std::vector<int>>>);  // explicit, as vector's
static_assert(!std::is_convertible_v<std::error_code, unexpected>);
static_assert(std::is_copy_constructible_v<result<int>>);
static_assert(!std::is_copy_constructible_v<result<std::unique_ptr<int>>>);
static_assert(!std::is_copy_assignable_v<result<std::unique_ptr<int>>>);
static_assert(std::is_nothrow_move_constructible_v<result<std::unique_ptr<int>>>);
static_assert(std::is_nothrow_move_assignable_v<result<std::unique_ptr<int>>>);
static_assert(std::is_nothrow_move_constructible_v<result<void>>);
static_assert(std::is_same_v<decltype(*std::declval<result<int>&>()), int&>);
static_assert(std::is_same_v<decltype(*std::declval<const result<int>&>()), const int&>);
static_assert(std::is_same_v<decltype(*std::declval<result<int>>()), int&&>);
static_assert(std::is_same_v<decltype(std::declval<result<int>>().value()), int&&>);

THOLE_TEST("a result holds a value", "[result]") {
    result<int> r = 7;
    CHECK(r);
    CHECK(r.has_value());
    CHECK(*r == 7);
    CHECK(r.value() == 7);
    CHECK_FALSE(r.error());
    *r = 8;
    CHECK(std::as_const(r).value() == 8);
    CHECK(result<int>{}.value() == 0);
    const result<std::string> text = "words";
    CHECK(text->size() == 5);
    const result<std::string> repeated(std::in_place, 3U, 'x');
    CHECK(*repeated == "xxx");
}

THOLE_TEST("a result holds an error", "[result]") {
    const result<int> r = unexpected(refused);
    CHECK_FALSE(r);
    CHECK_FALSE(r.has_value());
    CHECK(r.error() == refused);
    CHECK(result<int>(unexpected(std::errc::timed_out)).error() == std::errc::timed_out);
    CHECK(result<int>(unexpected(thole::errc::closed)).error() == thole::errc::closed);
    CHECK(unexpected(thole::errc::closed).error() == thole::errc::closed);
}

THOLE_TEST("only value() throws, and it throws std::system_error", "[result][throws]") {
    const result<int> r = unexpected(refused);
    try {
        static_cast<void>(r.value());
        FAIL("value() did not throw");
    } catch (const std::system_error& error) {
        CHECK(error.code() == refused);
    }
    result<void> nothing = unexpected(refused);
    CHECK_THROWS_AS(nothing.value(), std::system_error);
    CHECK_NOTHROW(result<void>{}.value());
    CHECK_THROWS_AS(result<std::string>(unexpected(refused)).value(), std::system_error);
}

THOLE_TEST("a value that cannot be copied goes through a result", "[result]") {
    result<std::unique_ptr<int>> r = std::make_unique<int>(3);
    result<std::unique_ptr<int>> moved = std::move(r);
    REQUIRE(moved);
    CHECK(**moved == 3);
    const std::unique_ptr<int> out = *std::move(moved);
    CHECK(*out == 3);
    result<std::unique_ptr<int>> other = unexpected(refused);
    other = result<std::unique_ptr<int>>(std::make_unique<int>(4));
    CHECK(*other.value() == 4);
    const std::unique_ptr<int> last = std::move(other).value();
    CHECK(*last == 4);
}

THOLE_TEST("assignment goes between all four pairs of states and leaks nothing", "[result]") {
    counted::alive = 0;
    {
        result<counted> value(std::in_place, 1);
        result<counted> other(std::in_place, 2);
        result<counted> error = unexpected(refused);
        CHECK(counted::alive == 2);

        value = other;  // value ← value
        CHECK(value->value == 2);
        other = error;  // value ← error
        CHECK(other.error() == refused);
        CHECK(counted::alive == 1);
        other = unexpected(std::errc::timed_out);  // error ← error
        CHECK(other.error() == std::errc::timed_out);
        other = std::move(value);  // error ← value
        CHECK(other->value == 2);
        CHECK(value.has_value());  // moved from, and still a value
        CHECK(value->value == -1);
        CHECK(counted::alive == 2);

        result<counted>& self = other;
        other = self;
        CHECK(other->value == 2);
        other = unexpected(refused);
        CHECK(counted::alive == 1);
        CHECK(other.emplace(9).value == 9);
        CHECK(other.emplace(10).value == 10);
        CHECK(counted::alive == 2);
        const result<counted> copy(other);
        CHECK(copy->value == 10);
        const result<counted> bad(error);
        CHECK(bad.error() == refused);
    }
    CHECK(counted::alive == 0);
}

THOLE_TEST("moving a result moves its value once and copies nothing", "[result]") {
    counted::copies = counted::moves = 0;
    result<counted> r(std::in_place, 5);
    CHECK(counted::moves == 0);
    result<counted> moved = std::move(r);
    CHECK(counted::moves == 1);
    const counted out = *std::move(moved);
    CHECK(out.value == 5);
    CHECK(counted::moves == 2);
    CHECK(counted::copies == 0);
}

THOLE_TEST("value_or, and_then, transform, or_else", "[result]") {
    CHECK(result<int>(1).value_or(2) == 1);
    CHECK(result<int>(unexpected(refused)).value_or(2) == 2);
    const result<std::string> constant = unexpected(refused);
    CHECK(constant.value_or("other") == "other");

    const auto half = [](int n) -> result<int> {
        if (n % 2 != 0) {
            return unexpected(std::errc::invalid_argument);
        }
        return n / 2;
    };
    CHECK(result<int>(8).and_then(half).and_then(half) == result<int>(2));
    CHECK(result<int>(6).and_then(half).and_then(half).error() == std::errc::invalid_argument);
    CHECK(result<int>(unexpected(refused)).and_then(half).error() == refused);

    const auto words = [](int n) { return std::to_string(n); };
    CHECK(*result<int>(12).transform(words) == "12");
    CHECK(result<int>(unexpected(refused)).transform(words).error() == refused);
    auto owned = result<std::unique_ptr<int>>(std::make_unique<int>(3))
                     .transform([](std::unique_ptr<int> p) { return *p + 1; });
    CHECK(*owned == 4);

    const auto zero = [](std::error_code) -> result<int> { return 0; };
    CHECK(*result<int>(5).or_else(zero) == 5);
    CHECK(*result<int>(unexpected(refused)).or_else(zero) == 0);
}

THOLE_TEST("results compare by state, then by value or error", "[result]") {
    CHECK(result<int>(1) == result<int>(1));
    CHECK(result<int>(1) != result<int>(2));
    CHECK(result<int>(1) != result<int>(unexpected(refused)));
    CHECK(result<int>(unexpected(refused)) == result<int>(unexpected(refused)));
    CHECK(result<int>(unexpected(refused)) != result<int>(unexpected(std::errc::timed_out)));
    CHECK(result<void>{} == result<void>{});
    CHECK(result<void>{} != result<void>(unexpected(refused)));
}

THOLE_TEST("a result of nothing", "[result]") {
    result<void> r;
    CHECK(r);
    CHECK(r.has_value());
    CHECK_FALSE(r.error());
    *r;
    r = unexpected(refused);
    CHECK_FALSE(r);
    CHECK(r.error() == refused);
    const result<void> copy = r;
    CHECK(copy == r);
}

THOLE_TEST("a transfer is true without an error", "[result]") {
    CHECK(thole::transfer{});
    CHECK(thole::transfer{5, {}});
    CHECK_FALSE(thole::transfer{5, refused});
    CHECK(thole::transfer{5, refused} == thole::transfer{5, refused});
    CHECK(thole::transfer{5, refused} != thole::transfer{4, refused});
}

THOLE_TEST("an over-aligned and a bool-like value keep their meaning", "[result]") {
    struct alignas(64) wide {
        int n = 3;
    };
    const result<wide> r(std::in_place);
    CHECK(reinterpret_cast<std::uintptr_t>(&*r) % 64 == 0);
    const result<bool> no = false;
    CHECK(no.has_value());
    CHECK_FALSE(*no);
    const result<std::optional<int>> empty = std::optional<int>{};
    CHECK(empty.has_value());
    CHECK_FALSE(empty->has_value());
}

}  // namespace
