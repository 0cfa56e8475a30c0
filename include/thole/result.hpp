// SPDX-License-Identifier: BSL-1.0
/// \file
/// A value or an error, with the interface of `std::expected<T, std::error_code>`.
#pragma once

#include <concepts>
#include <cstddef>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

#include <thole/error.hpp>

namespace thole {

/// An error on its way into a result: `return thole::unexpected(error);`
class unexpected {
public:
    /// Of any category.
    explicit unexpected(std::error_code error) noexcept : error_(error) {}
    /// Of thole's own.
    explicit unexpected(errc error) noexcept : error_(error) {}
    /// Of the generic category.
    explicit unexpected(std::errc error) noexcept : error_(std::make_error_code(error)) {}
    /// What it carries.
    [[nodiscard]] const std::error_code& error() const noexcept { return error_; }

private:
    std::error_code error_;
};

/// What a transfer of several steps gives: how many bytes it moved, and what ended it early, if
/// anything did. True without an error.
struct transfer {
    std::size_t count = 0;    ///< bytes moved
    std::error_code error{};  ///< what ended it early

    [[nodiscard]] explicit operator bool() const noexcept { return !error; }
    friend bool operator==(const transfer&, const transfer&) noexcept = default;
};

namespace detail {
/// Throws std::system_error; ends the program in a build without exceptions.
[[noreturn]] THOLE_API void throw_error(const std::error_code& error);
}  // namespace detail

/// A value, or the std::error_code that stands in its place. Only value() throws
/// (std::system_error); the unchecked accessors have std::expected's preconditions.
template <class T>
class [[nodiscard]] result {
    static_assert(std::is_object_v<T> && !std::is_same_v<std::remove_cv_t<T>, unexpected>);

public:
    using value_type = T;
    using error_type = std::error_code;

    result() noexcept(
        std::is_nothrow_default_constructible_v<T>) requires std::default_initializable<T>
        : value_(), has_(true) {}
    template <class U = T>
    requires(std::constructible_from<T, U> && !std::same_as<std::remove_cvref_t<U>, result> &&
             !std::same_as<std::remove_cvref_t<U>, unexpected>) explicit(!std::convertible_to<U, T>)
        result(U&& value)
        : value_(std::forward<U>(value)), has_(true) {}
    result(unexpected error) noexcept : error_(error.error()), has_(false) {}  // NOLINT
    template <class... Args>
    explicit result(std::in_place_t /*tag*/, Args&&... args)
        : value_(std::forward<Args>(args)...), has_(true) {}

    result(const result& other) requires std::copy_constructible<T> : has_(other.has_) {
        if (has_) {
            ::new (static_cast<void*>(&value_)) T(other.value_);
        } else {
            ::new (static_cast<void*>(&error_)) std::error_code(other.error_);
        }
    }
    result(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : has_(other.has_) {
        if (has_) {
            ::new (static_cast<void*>(&value_)) T(std::move(other.value_));
        } else {
            ::new (static_cast<void*>(&error_)) std::error_code(other.error_);
        }
    }
    result& operator=(const result& other) requires(
        std::copy_constructible<T>&& std::is_copy_assignable_v<T>) {
        if (this != &other) {
            result copy(other);
            *this = std::move(copy);
        }
        return *this;
    }
    result& operator=(result&& other) noexcept(
        std::is_nothrow_move_constructible_v<T>&& std::is_nothrow_move_assignable_v<T>) {
        if (this == &other) {
            return *this;
        }
        if (has_ && other.has_) {
            value_ = std::move(other.value_);
        } else if (other.has_) {
            ::new (static_cast<void*>(&value_)) T(std::move(other.value_));  // error_ is trivial
            has_ = true;
        } else {
            become(other.error_);
        }
        return *this;
    }
    result& operator=(unexpected error) noexcept {
        become(error.error());
        return *this;
    }
    ~result() {
        if (has_) {
            value_.~T();
        }
    }

    [[nodiscard]] bool has_value() const noexcept { return has_; }
    [[nodiscard]] explicit operator bool() const noexcept { return has_; }

    [[nodiscard]] T& operator*() & noexcept { return value_; }
    [[nodiscard]] const T& operator*() const& noexcept { return value_; }
    [[nodiscard]] T&& operator*() && noexcept { return std::move(value_); }
    [[nodiscard]] T* operator->() noexcept { return &value_; }
    [[nodiscard]] const T* operator->() const noexcept { return &value_; }

    /// The value; throws std::system_error where there is none.
    [[nodiscard]] T& value() & {
        check();
        return value_;
    }
    [[nodiscard]] const T& value() const& {
        check();
        return value_;
    }
    [[nodiscard]] T&& value() && {
        check();
        return std::move(value_);
    }
    /// The error. Unlike std::expected's it may be asked for always: with a value it is no error.
    [[nodiscard]] std::error_code error() const noexcept {
        return has_ ? std::error_code{} : error_;
    }

    template <class U>
    [[nodiscard]] T value_or(U&& other) const& {
        return has_ ? value_ : static_cast<T>(std::forward<U>(other));
    }
    template <class U>
    [[nodiscard]] T value_or(U&& other) && {
        return has_ ? std::move(value_) : static_cast<T>(std::forward<U>(other));
    }

    /// `f(value)`, itself a result, or this one's error.
    template <class F>
    auto and_then(F&& f) && -> std::remove_cvref_t<std::invoke_result_t<F, T>> {
        if (has_) {
            return std::forward<F>(f)(std::move(value_));
        }
        return unexpected(error_);
    }
    /// A result of `f(value)`, or this one's error.
    template <class F>
    auto transform(F&& f) && -> result<std::remove_cvref_t<std::invoke_result_t<F, T>>> {
        if (has_) {
            return std::forward<F>(f)(std::move(value_));
        }
        return unexpected(error_);
    }
    /// This value, or `f(error)`, itself a result.
    template <class F>
    result or_else(F&& f) && {
        return has_ ? std::move(*this) : std::forward<F>(f)(error_);
    }
    template <class... Args>
    requires std::is_nothrow_constructible_v<T, Args...> T& emplace(Args&&... args) noexcept {
        become({});
        T* made = ::new (static_cast<void*>(&value_)) T(std::forward<Args>(args)...);
        has_ = true;
        return *made;
    }

    friend bool operator==(const result& a, const result& b) requires std::equality_comparable<T> {
        return a.has_ == b.has_ && (a.has_ ? a.value_ == b.value_ : a.error_ == b.error_);
    }

private:
    void check() const {
        if (!has_) {
            detail::throw_error(error_);
        }
    }
    void become(std::error_code error) noexcept {
        if (has_) {
            value_.~T();
            has_ = false;
        }
        ::new (static_cast<void*>(&error_)) std::error_code(error);
    }

    union {
        T value_;
        std::error_code error_;
    };
    bool has_;
};

/// Success, or the error.
template <>
class [[nodiscard]] result<void> {
public:
    using value_type = void;
    using error_type = std::error_code;

    result() noexcept = default;
    result(unexpected error) noexcept : error_(error.error()) {}  // NOLINT

    [[nodiscard]] bool has_value() const noexcept { return !error_; }
    [[nodiscard]] explicit operator bool() const noexcept { return !error_; }
    void operator*() const noexcept {}
    void value() const {
        if (error_) {
            detail::throw_error(error_);
        }
    }
    [[nodiscard]] std::error_code error() const noexcept { return error_; }
    friend bool operator==(const result&, const result&) noexcept = default;

private:
    std::error_code error_;
};

}  // namespace thole
