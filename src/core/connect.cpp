// SPDX-License-Identifier: BSL-1.0
#include <thole/connect.hpp>

#include <limits>

#include "core/error_table.hpp"
#include "core/handles.hpp"

namespace thole {

namespace detail {

namespace {

bool asks_nothing(const tcp::connect_options& options) noexcept {
    return !options.local && !options.no_delay && options.send_buffer == 0 &&
           options.receive_buffer == 0 && options.user_timeout.count() == 0;
}

bool is_sound(const tcp::connect_options& options, const endpoint& target) noexcept {
    constexpr std::chrono::milliseconds most{std::numeric_limits<int>::max()};
    return options.send_buffer >= 0 && options.receive_buffer >= 0 &&
           options.user_timeout.count() >= 0 && options.user_timeout <= most &&
           (!options.local || options.local.family() == target.family());
}

// What must be set before the first SYN; zero is not set.
THOLE_APART std::error_code set_up(socket_state* state,
                                   const tcp::connect_options& options) noexcept {
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
    if (!options.local) {
        return {};
    }
    control_request asked{request::bind, options.local};
    return loop_core::control(state, asked);
}

}  // namespace

// Opens the socket of a connect, one for this attempt alone (R58). False: settled, it failed.
bool loop_core::prepare_connect(operation& op) noexcept {
    auto& attempt = static_cast<tcp::connect_op&>(op);
    endpoint& target = attempt.target_;
    const bool plain = asks_nothing(attempt.options_);
    if (!target || target.port() == 0 || !(plain || is_sound(attempt.options_, target)))
        [[unlikely]] {
        settle_error(op, raw_of(std::errc::invalid_argument));
        return false;
    }
    if (target.is_unspecified()) {  // R43: the same on every platform
        target = endpoint::loopback(target.family(), target.port());
    }
    std::error_code failed;
    op.state = network->open({socket_role::stream, target.family()}, failed);
    if (op.state != nullptr) [[likely]] {
        enlist(*op.state);
        attempt.made_ = tcp::socket(op.state);
        if (plain) [[likely]] {
            return true;
        }
        failed = set_up(op.state, attempt.options_);
    }
    if (failed) {
        settle_code(op, failed);
    }
    return !failed;
}

}  // namespace detail

namespace tcp {

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
