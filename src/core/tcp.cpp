// SPDX-License-Identifier: BSL-1.0
// The handles of TCP over the backend's interface.
#include <thole/tcp.hpp>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole {

namespace {

using detail::control_request;
using detail::loop_core;
using detail::request;
using detail::socket_state;

void close_state(socket_state*& handle) noexcept {
    socket_state* state = std::exchange(handle, nullptr);
    if (state == nullptr) {
        return;
    }
    if (state->core == nullptr) {
        delete state;  // its loop is gone
    } else {
        state->core->close(state);
    }
}

void cancel_queue(socket_state* state, detail::operation_queue socket_state::*queue) noexcept {
    if (state != nullptr && state->core != nullptr) {
        state->core->cancel_all(state->*queue, detail::reason::cancelled);
    }
}

result<endpoint> name_of(socket_state* state, request what) noexcept {
    control_request asked{what};
    if (const std::error_code failed = loop_core::control(state, asked)) {
        return unexpected(failed);
    }
    return asked.address;
}

result<void> apply(socket_state* state, control_request asked) noexcept {
    if (const std::error_code failed = loop_core::control(state, asked)) {
        return unexpected(failed);
    }
    return {};
}

}  // namespace

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

result<void> socket::shutdown_write() noexcept {
    if (state_ != nullptr && !state_->writing.empty()) {  // R112: it must not overtake the bytes
        return unexpected(errc::operation_in_progress);
    }
    return apply(state_, {request::shutdown_write});
}

void socket::close() noexcept { close_state(state_); }

void socket::abort() noexcept {
    static_cast<void>(apply(state_, {request::reset_on_close}));
    close_state(state_);
}

void socket::cancel() noexcept {
    cancel_read();
    cancel_write();
}

void socket::cancel_read() noexcept { cancel_queue(state_, &socket_state::reading); }

void socket::cancel_write() noexcept { cancel_queue(state_, &socket_state::writing); }

result<endpoint> socket::local() const noexcept { return name_of(state_, request::local_name); }

result<endpoint> socket::peer() const noexcept { return name_of(state_, request::peer_name); }

result<void> socket::no_delay(bool on) noexcept {
    return apply(state_, {request::set_no_delay, {}, on ? 1 : 0});
}

result<bool> socket::no_delay() const noexcept {
    control_request asked{request::get_no_delay};
    if (const std::error_code failed = loop_core::control(state_, asked)) {
        return unexpected(failed);
    }
    return asked.value != 0;
}

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

result<socket> detached_socket::attach(loop& on) && noexcept {
    if (!is_open()) {
        return unexpected(errc::closed);
    }
    std::error_code failed;
    socket_state* state = on.core()->adopt(std::exchange(owned_, {}), failed);
    if (state == nullptr) {
        return unexpected(failed);
    }
    return socket(state);
}

result<endpoint> detached_socket::local() const noexcept {
    endpoint name = owned_.local;
    if (!is_open()) {
        return unexpected(errc::closed);
    }
    if (!name) {
        if (const std::error_code failed = owned_.methods->local(owned_.native, name)) {
            return unexpected(failed);
        }
    }
    return name;
}

result<endpoint> detached_socket::peer() const noexcept {
    endpoint name = owned_.peer;
    if (!is_open()) {
        return unexpected(errc::closed);
    }
    if (!name) {
        if (const std::error_code failed = owned_.methods->peer(owned_.native, name)) {
            return unexpected(failed);
        }
    }
    return name;
}

void detached_socket::close() noexcept {
    if (is_open()) {
        const detail::loose_socket loose = std::exchange(owned_, {});
        loose.methods->close(loose.native);
    }
}

accept_op::~accept_op() {
    if (accepted.methods != nullptr) {
        accepted.methods->close(accepted.native);  // nobody took it
    }
}

void accept_op::prepare(listener& on, deadline until) noexcept {
    reset(verb::accept, nullptr, on.state(), until);
}

result<socket> accept_op::take() noexcept {
    std::error_code failed = outcome();
    if (failed) {
        return unexpected(failed);
    }
    socket_state* made = core->adopt(std::exchange(accepted, {}), failed);
    if (made == nullptr) {
        return unexpected(failed);
    }
    return socket(made);
}

accept_detached_op::accept_detached_op(listener& on, deadline until) noexcept {
    prepare(on, until);
}

void accept_detached_op::prepare(listener& on, deadline until) noexcept {
    reset(verb::accept_detached, nullptr, on.state(), until);
}

result<detached_socket> accept_detached_op::take() noexcept {
    if (const std::error_code failed = outcome()) {
        return unexpected(failed);
    }
    return detached_socket(std::exchange(accepted, {}));
}

result<listener> listener::open(loop& on, const endpoint& where, listen_options options) noexcept {
    constexpr int most = 64;
    if (!where || options.backlog < 0 || options.standing_accepts < 1 ||
        options.standing_accepts > most) {
        return unexpected(std::errc::invalid_argument);
    }
    std::error_code failed;
    listener made;
    made.state_ = on.core()->open({detail::socket_role::listener, where.family()}, failed);
    if (!failed) {
        control_request asked{request::listen, where, 0, options};
        failed = loop_core::control(made.state_, asked);
    }
    if (failed) {
        return unexpected(failed);
    }
    return made;
}

void listener::cancel() noexcept { cancel_queue(state_, &socket_state::reading); }

void listener::close() noexcept { close_state(state_); }

result<endpoint> listener::local() const noexcept { return name_of(state_, request::local_name); }

}  // namespace tcp
}  // namespace thole
