// SPDX-License-Identifier: BSL-1.0
// What a connection can be told to do otherwise.
#include <thole/options.hpp>
#include <thole/socket.hpp>

#include <limits>

#include "core/handles.hpp"

namespace thole::tcp {

namespace {

using detail::socket_option;

// A number that no system's option can hold, or that means nothing.
template <class Number>
bool is_outside(Number value, Number least) noexcept {
    return value < least || value > Number{std::numeric_limits<int>::max()};
}

// A send buffer of 0 would make IOCP wait for the peer's acknowledgement, and POSIX has none: it is
// refused on both.
result<void> set_size(detail::socket_state* state, socket_option which,
                      std::size_t bytes) noexcept {
    if (is_outside<std::size_t>(bytes, 1)) {
        return unexpected(std::errc::invalid_argument);
    }
    return detail::set(state, which, static_cast<int>(bytes));
}

result<std::size_t> size_of(detail::socket_state* state, socket_option which) noexcept {
    return detail::get(state, which).transform([](int bytes) {
        return static_cast<std::size_t>(bytes);
    });
}

}  // namespace

result<void> socket::no_delay(bool on) noexcept {
    return detail::set(state_, socket_option::no_delay, on ? 1 : 0);
}

result<bool> socket::no_delay() const noexcept {
    return detail::get(state_, socket_option::no_delay).transform([](int on) { return on != 0; });
}

result<void> socket::keep_alive(keep_alive_options how) noexcept {
    using seconds = std::chrono::seconds;
    const seconds::rep least = 0;
    if (is_outside<seconds::rep>(how.idle.count(), least) ||
        is_outside<seconds::rep>(how.interval.count(), least) || how.count < 0) {
        return unexpected(std::errc::invalid_argument);
    }
    detail::control_request asked{detail::request::set_keep_alive};
    asked.keep_alive = how;
    return detail::apply(state_, asked);
}

result<keep_alive_options> socket::keep_alive() const noexcept {
    detail::control_request asked{detail::request::get_keep_alive};
    if (const std::error_code failed = detail::loop_core::control(state_, asked)) {
        return unexpected(failed);
    }
    return asked.keep_alive;
}

result<void> socket::send_buffer(std::size_t bytes) noexcept {
    return set_size(state_, socket_option::send_buffer, bytes);
}

result<std::size_t> socket::send_buffer() const noexcept {
    return size_of(state_, socket_option::send_buffer);
}

result<void> socket::receive_buffer(std::size_t bytes) noexcept {
    return set_size(state_, socket_option::receive_buffer, bytes);
}

result<std::size_t> socket::receive_buffer() const noexcept {
    return size_of(state_, socket_option::receive_buffer);
}

result<void> socket::user_timeout(std::chrono::milliseconds time) noexcept {
    if (is_outside<std::chrono::milliseconds::rep>(time.count(), 0)) {
        return unexpected(std::errc::invalid_argument);
    }
    return detail::set(state_, socket_option::user_timeout, static_cast<int>(time.count()));
}

result<std::chrono::milliseconds> socket::user_timeout() const noexcept {
    return detail::get(state_, socket_option::user_timeout).transform([](int time) {
        return std::chrono::milliseconds(time);
    });
}

}  // namespace thole::tcp
