// SPDX-License-Identifier: BSL-1.0
#include <thole/connect.hpp>

#include <limits>

#include "core/error_table.hpp"
#include "core/handles.hpp"

namespace thole {

namespace detail {

namespace {

bool is_sound(const tcp::connect_options& options) noexcept {
    constexpr std::chrono::milliseconds most{std::numeric_limits<int>::max()};
    return options.send_buffer >= 0 && options.receive_buffer >= 0 &&
           options.user_timeout.count() >= 0 && options.user_timeout <= most;
}

// What must be set before the first SYN; zero is not set.
std::error_code set_options(socket_state* state, const tcp::connect_options& options) noexcept {
    const struct {
        socket_option which;
        int value;
    } rows[] = {
        {socket_option::no_delay, options.no_delay ? 1 : 0},
        {socket_option::send_buffer, options.send_buffer},
        {socket_option::receive_buffer, options.receive_buffer},
        {socket_option::user_timeout, static_cast<int>(options.user_timeout.count())},
    };
    for (const auto& row : rows) {
        if (row.value != 0) {
            if (const result<void> done = set(state, row.which, row.value); !done) {
                return done.error();
            }
        }
    }
    return {};
}

}  // namespace

// Opens the socket of a connect, one for this attempt alone (R58). False: settled, it failed.
bool loop_core::prepare_connect(operation& op) noexcept {
    auto& attempt = static_cast<tcp::connect_op&>(op);
    endpoint& target = attempt.target_;
    const endpoint& local = attempt.options_.local;
    if (!target || target.port() == 0 || !is_sound(attempt.options_) ||
        (local && local.family() != target.family())) {
        settle_error(op, raw_of(std::errc::invalid_argument));
        return false;
    }
    if (target.is_unspecified()) {  // R43: the same on every platform
        target = endpoint::loopback(target.family(), target.port());
    }
    std::error_code failed;
    attempt.made_ = tcp::socket(open({socket_role::stream, target.family()}, failed));
    op.state = attempt.made_.state();
    if (!failed) {
        failed = set_options(op.state, attempt.options_);
    }
    if (!failed && local) {
        control_request asked{request::bind, local};
        failed = control(op.state, asked);
    }
    if (failed) {
        settle_code(op, failed);
    }
    return !failed;
}

}  // namespace detail

namespace tcp {

void connect_op::prepare(loop& on, const endpoint& target, const connect_options& options,
                         deadline until) noexcept {
    made_.close();
    reset(verb::connect, nullptr, until);
    on_ = on.core();
    target_ = target;
    options_ = options;
    length = 0;
    connected = false;
}

result<socket> connect_op::take() noexcept {
    state = nullptr;
    if (const std::error_code failed = outcome()) {
        made_.close();
        return unexpected(failed);
    }
    return std::move(made_);
}

socket connect_op::take_made() noexcept {
    state = nullptr;
    return std::move(made_);
}

void connect_with_data_op::prepare(loop& on, const endpoint& target, const_bytes data,
                                   const connect_options& options, deadline until) noexcept {
    connect_op::prepare(on, target, options, until);
    buffer = const_cast<std::byte*>(data.data());
    length = data.size();
}

result<connection> connect_with_data_op::take() noexcept {
    socket made = take_made();
    const std::error_code ended = outcome();
    if (ended && !connected) {
        return unexpected(ended);
    }
    return connection{std::move(made), {count, ended}};
}

}  // namespace tcp
}  // namespace thole
