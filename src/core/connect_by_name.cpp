// SPDX-License-Identifier: BSL-1.0
#include <thole/connect_by_name.hpp>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole::tcp {

const detail::local_methods& connect_by_name_op::served() noexcept {
    static constexpr detail::local_methods methods{
        .start = &begin, .cancel = &give_up, .composed = true};
    return methods;
}

connect_by_name_op::connect_by_name_op() noexcept : local_operation(served()) {}

void connect_by_name_op::keep(loop& on, const connect_options& options, deadline until) noexcept {
    reset(verb::connect_by_name, on.core(), until);
    made_.close();
    failed_ = {};
    found_ = {};
    on_ = &on;
    options_ = options;
}

void connect_by_name_op::prepare(loop& on, std::string_view host, int port,
                                 const connect_options& options, deadline until) noexcept {
    keep(on, options, until);
    resolve_.prepare(on, host, port);
}

void connect_by_name_op::prepare(loop& on, std::string_view host, std::string_view service,
                                 const connect_options& options, deadline until) noexcept {
    keep(on, options, until);
    resolve_.prepare(on, host, service);
}

// The deadlines of both halves are ours, which the loop keeps.
bool connect_by_name_op::begin(local_operation& op) {
    auto& self = static_cast<connect_by_name_op&>(op);
    self.resolve_.of = &self;
    self.connect_.of = &self;
    self.resolve_.act = &resolved;
    detail::begin_callback(self.resolve_);
    return false;
}

bool connect_by_name_op::give_up(local_operation& op) {
    auto& self = static_cast<connect_by_name_op&>(op);
    self.core->cancel(self.resolve_, self.why);  // of the two, one is pending at the most
    self.core->cancel(self.connect_, self.why);
    return false;  // its end is ours
}

void connect_by_name_op::resolved(detail::runnable& self, detail::turn how) {
    auto& done = static_cast<resolving&>(self);
    done.at = detail::stage::dispatched;
    connect_by_name_op& of = *done.of;
    result<endpoint_list> found = done.take();
    if (of.why != detail::reason::none || how == detail::turn::discard) {
        settle_aborted(of, detail::raw_of(std::errc::operation_canceled));
    } else if (!found) {
        settle_code(of, found.error());
    } else {
        of.found_ = std::move(*found);
        of.connect_.prepare(*of.on_, of.found_, of.options_);
        of.connect_.act = &connected;
        detail::begin_callback(of.connect_);
        return;
    }
    of.core->finish_local(of);
}

void connect_by_name_op::connected(detail::runnable& self, detail::turn how) {
    auto& done = static_cast<connecting&>(self);
    done.at = detail::stage::dispatched;
    connect_by_name_op& of = *done.of;
    connect_outcome made = done.take();
    of.failed_ = made.take_attempts();
    if (made) {
        of.made_ = std::move(*made);  // R101: whatever was asked meanwhile
        settle_done(of);
    } else if (of.why != detail::reason::none || how == detail::turn::discard) {
        settle_aborted(of, detail::raw_of(std::errc::operation_canceled));
    } else {
        settle_code(of, made.error());
    }
    of.core->finish_local(of);
}

connect_outcome connect_by_name_op::take() noexcept {
    found_ = {};
    if (const std::error_code failed = outcome()) {
        made_.close();
        return {unexpected(failed), std::move(failed_)};
    }
    return {std::move(made_), std::move(failed_)};
}

}  // namespace thole::tcp
