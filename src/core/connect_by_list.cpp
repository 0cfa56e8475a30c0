// SPDX-License-Identifier: BSL-1.0
#include <thole/connect_by_list.hpp>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole::tcp {

namespace {

// How much an error tells about the target.
int weight(const std::error_code& error) noexcept {
    if (error == std::errc::connection_refused || error == std::errc::connection_reset) {
        return 3;  // it answered
    }
    if (error == std::errc::timed_out) {
        return 2;
    }
    const bool no_way =
        error == std::errc::network_unreachable || error == std::errc::host_unreachable ||
        error == std::errc::address_not_available ||
        error == std::errc::address_family_not_supported || error == std::errc::invalid_argument;
    return no_way ? 0 : 1;
}

}  // namespace

const detail::local_methods& connect_by_list_op::served() noexcept {
    static constexpr detail::local_methods methods{
        .start = &begin, .cancel = &give_up, .composed = true};
    return methods;
}

connect_by_list_op::connect_by_list_op() noexcept : local_operation(served()) {}

void connect_by_list_op::prepare(loop& on, std::span<const endpoint> targets,
                                 const connect_options& options, deadline until) noexcept {
    reset(verb::connect_by_list, on.core(), until);
    made_.close();
    failed_ = {};
    on_ = &on;
    targets_ = targets;
    options_ = options;
    next_ = 0;
}

bool connect_by_list_op::begin(local_operation& op) {
    auto& self = static_cast<connect_by_list_op&>(op);
    if (self.targets_.empty()) {
        settle_error(self, detail::raw_of(std::errc::invalid_argument));
        return true;
    }
    self.step_.of = &self;
    self.attempt_next();
    return false;
}

bool connect_by_list_op::give_up(local_operation& op) {
    auto& self = static_cast<connect_by_list_op&>(op);
    self.core->cancel(self.step_, self.why);
    return false;  // its end is ours
}

// R58: a fresh socket for each. Its deadline is ours, which the loop keeps.
void connect_by_list_op::attempt_next() noexcept {
    began_ = core->clock();
    step_.prepare(*on_, targets_[next_], options_);
    step_.act = &ended;
    detail::begin_callback(step_);
}

// False: there is no memory to keep it in.
bool connect_by_list_op::note(const std::error_code& failed) noexcept {
    if (next_ == 0 && !failed_.reserve(targets_.size())) {
        return false;
    }
    return failed_.push_back({targets_[next_], failed, core->clock() - began_});
}

std::error_code connect_by_list_op::verdict() const noexcept {
    std::error_code worst;
    int most = -1;
    for (const attempt& each : failed_) {
        if (const int weighs = weight(each.error); weighs >= most) {
            most = weighs;
            worst = each.error;
        }
    }
    return worst;
}

void connect_by_list_op::ended(detail::runnable& self, detail::turn how) {
    auto& attempted = static_cast<step&>(self);
    attempted.at = detail::stage::dispatched;
    connect_by_list_op& of = *attempted.of;
    result<socket> made = attempted.take();
    if (made) {
        of.made_ = std::move(*made);  // R101: whatever was asked meanwhile
        settle_done(of);
    } else if (!of.note(made.error())) {
        settle_error(of, detail::raw_of(std::errc::not_enough_memory));
    } else if (of.why != detail::reason::none || how == detail::turn::discard) {
        settle_aborted(of, detail::raw_of(std::errc::operation_canceled));
    } else if (++of.next_ < of.targets_.size()) {
        of.attempt_next();
        return;
    } else {
        settle_code(of, of.verdict());
    }
    of.core->finish_local(of);
}

connect_outcome connect_by_list_op::take() noexcept {
    if (const std::error_code failed = outcome()) {
        made_.close();
        return {unexpected(failed), std::move(failed_)};
    }
    return {std::move(made_), std::move(failed_)};
}

}  // namespace thole::tcp
