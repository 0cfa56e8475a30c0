// SPDX-License-Identifier: BSL-1.0
// Accepting, and who is there.
#include <thole/server.hpp>

#include <new>

#include "core/handles.hpp"
#include "core/loop_core.hpp"
#include "core/server_core.hpp"

namespace thole {
namespace detail {

server_core::server_core(loop& its, any_handler& serving, const serve_options& with) noexcept
    : on(its), handler(serving), options(with),
      sweeps(
          its, [](void* self) { static_cast<server_core*>(self)->sweep(); }, this),
      turns(*this, &server_core::sweep), scarcity(*this, &server_core::meet_scarcity),
      relief(
          its, [](void* self) { static_cast<server_core*>(self)->find_room(); }, this) {}

server_core::~server_core() { handler.destroy(handler); }

namespace {

void add_up(server_counters& all, const tcp::listener_counters& one) noexcept {
    all.absorbed += one.absorbed;
    all.shed += one.shed;
    all.pauses += one.pauses;
}

}  // namespace

// ---- Listeners.

result<void> server_core::add(tcp::listener&& door) noexcept {
    tcp::listener taken(std::move(door));
    if (drains != 0) {
        return unexpected(errc::operation_in_progress);
    }
    failed = on.error();
    if (!failed && !taken.is_open()) {
        failed = errc::closed;
    }
    auto* made = failed ? nullptr : new (std::nothrow) acceptor(*this, std::move(taken));
    if (made == nullptr) {
        return unexpected(failed ? failed : make_error_code(std::errc::not_enough_memory));
    }
    use();
    draining = false;
    made->next = std::exchange(doors, made);
    watch_loop();
    go_on(*made);
    return {};
}

// Each listener has one accept of the server's pending; how many the system has is the listener's.
void server_core::ask(acceptor& door) noexcept {
    constexpr auto glance = std::chrono::milliseconds(2);  // a drain: is anybody left?
    door.asking = true;
    door.prepare(door.door, draining ? within(glance) : never);
    door.act = &accepted;
    begin_callback_accept(door);
}

void server_core::accepted(runnable& self, turn how) {
    auto& door = static_cast<acceptor&>(self);
    door.at = stage::dispatched;
    door.asking = false;
    server_core& core = door.of;
    result<tcp::socket> made = door.take();
    if (made && how == turn::run && door.door.is_open()) {
        ++core.totals.accepted;
        if (core.has_room()) {
            core.take_in(std::move(*made));
        } else {
            door.early = std::move(*made);
        }
        core.go_on(door);
    } else if (!made && made.error() == errc::cancelled && door.door.is_open()) {
        core.go_on(door);  // a drain wants to know who waits
    } else {
        if (!made && made.error() != errc::closed && made.error() != errc::deadline_reached) {
            core.failed = made.error();
        }
        if (made) {
            made->abort();
        }
        core.remove(door);
    }
}

// Back-pressure: where there is no room nobody is accepted, and left() goes on.
void server_core::go_on(acceptor& door) noexcept {
    if (has_room() && door.early.is_open()) {
        take_in(std::move(door.early));
    }
    if (has_room() && !door.asking) {
        ask(door);
    }
}

void server_core::admit() noexcept {
    for (acceptor* door = doors; door != nullptr && has_room(); door = door->next) {
        go_on(*door);
    }
}

void server_core::stop_accepting() noexcept {
    for (acceptor* door = doors; door != nullptr;) {
        acceptor& each = *std::exchange(door, door->next);
        each.early.abort();  // as the system does with those in its own queue
        close_door(each);
        if (!each.asking) {
            remove(each);
        }
    }
}

void server_core::close_door(acceptor& door) noexcept {
    add_up(totals, door.door.counters());  // nothing, where it is closed
    door.door.close();
}

void server_core::remove(acceptor& door) noexcept {
    close_door(door);
    acceptor** at = &doors;
    while (*at != &door) {
        at = &(*at)->next;
    }
    *at = door.next;
    delete &door;
    look_whether_empty();
    unuse();
}

// ---- Connections.

void server_core::take_in(tcp::socket&& made) noexcept {
    auto* one = new (std::nothrow) hosted(*this, std::move(made));
    if (one == nullptr) {
        made.abort();
        turned_away();
        return;
    }
    use();
    one->fresh = draining;
    one->prev = std::exchange(last, one);
    (one->prev != nullptr ? one->prev->next : first) = one;
    ++connections;
    watch_loop();
    if (caught([&] { static_cast<void>(on.spawn(hosted::live(*one))); })) {  // no memory
        one->wire().abort();
        turned_away();
        left(*one);
    }
}

void server_core::left(hosted& one) noexcept {
    (one.prev != nullptr ? one.prev->next : first) = one.next;
    (one.next != nullptr ? one.next->prev : last) = one.prev;
    --connections;
    delete &one;
    if (!on.core()->closing) {
        admit();
    } else {
        forget_loop();  // a listener for which there was no room stays
    }
    look_whether_empty();
    unuse();
}

void server_core::look_whether_empty() noexcept {
    if (first == nullptr && doors == nullptr) {
        forget_loop();
        empty.set();
    }
}

void server_core::watch_loop() noexcept {
    empty.reset();
    scarcity.enter(on.core()->scarcity);
}

void server_core::forget_loop() noexcept {
    sweeps.disarm();
    relief.disarm();
    turns.leave();
    scarcity.leave();
}

void server_core::turned_away() noexcept {
    ++totals.shed;
    lost_one = true;
    meet_scarcity();
}

// Not at once, and not again while the last time may still take effect.
void server_core::meet_scarcity() noexcept {
    constexpr auto least = std::chrono::milliseconds(100);
    if (options.last_resort != 0 && first != nullptr && !relief.armed()) {
        static_cast<void>(relief.arm(at(relieved + least)));
    }
}

bool server_core::is_accepting() const noexcept {
    const acceptor* door = draining ? nullptr : doors;
    while (door != nullptr && !door->door.is_open()) {  // it goes when its accept has ended
        door = door->next;
    }
    return door != nullptr;
}

void server_core::close() noexcept {
    stop_accepting();
    abort_all();
}

server_counters server_core::count() const noexcept {
    server_counters now = totals;
    now.active = connections - closing;
    now.closing = closing;
    for (const acceptor* door = doors; door != nullptr; door = door->next) {
        const tcp::listener_counters its = door->door.counters();
        add_up(now, its);
        now.standing += its.standing;
    }
    return now;
}

}  // namespace detail

server::server(loop& on, detail::any_handler& handler, const serve_options& options)
    : core_(new (std::nothrow) detail::server_core(on, handler, options)) {
    if (core_ == nullptr) {
        handler.destroy(handler);
    }
}

void server::release() noexcept {
    if (detail::server_core* core = std::exchange(core_, nullptr)) {
        core->close();
        core->unuse();
    }
}

result<void> server::start(tcp::listener door) noexcept {
    if (core_ == nullptr) {
        return unexpected(errc::closed);
    }
    return core_->add(std::move(door));
}

task<drain_report> server::drain(deadline until) {
    return detail::server_core::drain(detail::server_core::reference(core_), until);
}

void server::close() noexcept {
    if (core_ != nullptr) {
        core_->close();
    }
}

server_counters server::counters() const noexcept {
    return core_ != nullptr ? core_->count() : server_counters{};
}

std::error_code server::error() const noexcept {
    return core_ != nullptr ? core_->failed : errc::closed;
}

bool server::accepting() const noexcept { return core_ != nullptr && core_->is_accepting(); }

}  // namespace thole
