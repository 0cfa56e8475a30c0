// SPDX-License-Identifier: BSL-1.0
// What a handler does with its connection.
#include <thole/connection.hpp>

#include "core/handles.hpp"
#include "core/loop_core.hpp"
#include "core/server_core.hpp"

namespace thole {
namespace detail {

hosted::hosted(server_core& its, tcp::socket&& made) noexcept
    : connection(std::move(made)), of(its),
      life(
          its.on, [](void* self) { static_cast<hosted*>(self)->cancel(cause::lifetime); }, this) {
    writes.of = this;
}

// The peer has had its answers, and the next request has not begun.
bool hosted::is_quiet() const noexcept {
    const socket_state* state = socket_.state();
    if (state == nullptr || busy_ != 0 || waiting() != 0 || !state->writing.empty()) {
        return false;
    }
    const operation* reading = state->reading.front();
    return reading != nullptr && reading->what != verb::closed && reading->count == 0 &&
           !reading->starved;
}

result<endpoint> hosted::name() noexcept {
    if (!peer_) {
        const result<endpoint> asked = socket_.peer();
        if (!asked) {
            return asked;
        }
        peer_ = *asked;
    }
    return peer_;
}

// ---- What waits to be sent: one part is being written, the other one filled.

result<void> hosted::queue_bytes(tcp::const_bytes bytes) noexcept {
    if (!socket_.is_open() || closing) {
        return unexpected(errc::closed);
    }
    if (bytes.size() > of.options.most_unsent - waiting()) {
        return unexpected(errc::limit_reached);
    }
    if (!writes.pending() && waiting() == 0 && !socket_.state()->writing.empty()) {
        return unexpected(errc::operation_in_progress);
    }
    if (!filling.append(bytes)) {
        return unexpected(std::errc::not_enough_memory);
    }
    if (sending.size() == 0 && filling.size() != 0) {
        sent_.reset();
        write_next();
    }
    return {};
}

void hosted::write_next() noexcept {
    sending.clear();
    sending.swap(filling);
    writes.prepare(socket_, sending.all());
    writes.act = &written;
    begin_callback_write(writes);
}

void hosted::written(runnable& self, turn how) {
    auto& op = static_cast<writer&>(self);
    op.at = stage::dispatched;
    hosted& one = *op.of;
    const transfer done = op.take();
    if (how == turn::discard) {
        return;
    }
    if (done && one.filling.size() != 0) {
        one.write_next();
        return;
    }
    one.sending.clear();
    one.filling.clear();
    one.sent_.set();
    if (!done && !one.closing) {  // a stream with a hole is of no use
        const bool stuck = done.error == errc::deadline_reached;
        one.abort(stuck || done.error == errc::closed ? cause::dropped : cause::reset);
    }
}

}  // namespace detail

namespace {

detail::hosted& hosted_of(connection& self) noexcept { return static_cast<detail::hosted&>(self); }
const detail::hosted& hosted_of(const connection& self) noexcept {
    return static_cast<const detail::hosted&>(self);
}

}  // namespace

result<endpoint> connection::peer() noexcept { return hosted_of(*this).name(); }

result<void> connection::send(tcp::const_bytes bytes) noexcept {
    return hosted_of(*this).queue_bytes(bytes);
}

std::size_t connection::unsent() const noexcept { return hosted_of(*this).waiting(); }

bool connection::is_idle() const noexcept { return hosted_of(*this).is_quiet(); }

bool connection::draining() const noexcept { return hosted_of(*this).of.draining; }

void connection::drop() noexcept { hosted_of(*this).abort(detail::cause::dropped); }

}  // namespace thole
