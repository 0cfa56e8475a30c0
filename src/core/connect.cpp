// SPDX-License-Identifier: BSL-1.0
#include <thole/connect.hpp>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole {

namespace detail {

// Opens the socket of a connect, one for this attempt alone (R58). False: settled, it failed.
bool loop_core::prepare_connect(operation& op) noexcept {
    auto& attempt = static_cast<tcp::connect_op&>(op);
    endpoint& target = attempt.target_;
    const endpoint& local = attempt.options_.local;
    if (!target || target.port() == 0 || (local && local.family() != target.family())) {
        settle_error(op, raw_of(std::errc::invalid_argument));
        return false;
    }
    if (target.is_unspecified()) {  // R43: the same on every platform
        target = endpoint::loopback(target.family(), target.port());
    }
    std::error_code failed;
    attempt.made_ = tcp::socket(open({socket_role::stream, target.family()}, failed));
    op.state = attempt.made_.state();
    if (!failed && attempt.options_.no_delay) {
        failed = attempt.made_.no_delay(true).error();
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
    reset(verb::connect, on.core(), nullptr, until);
    target_ = target;
    options_ = options;
}

result<socket> connect_op::take() noexcept {
    state = nullptr;
    if (const std::error_code failed = outcome()) {
        made_.close();
        return unexpected(failed);
    }
    return std::move(made_);
}

}  // namespace tcp
}  // namespace thole
