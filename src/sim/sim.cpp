// SPDX-License-Identifier: BSL-1.0
#include "sim/sim.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "core/backends.hpp"
#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole::detail {
namespace {

constexpr std::size_t every_piece = std::numeric_limits<std::size_t>::max();

std::error_code code_of(std::errc meaning) noexcept {
    return meaning == std::errc{} ? std::error_code{}
                                  : std::error_code{raw_of(meaning), system_category()};
}

bool fail(operation& op, std::errc meaning) noexcept {
    settle_error(op, raw_of(meaning));
    return true;
}

sim_socket& socket_of(const operation& op) noexcept { return static_cast<sim_socket&>(*op.state); }

void set_keep_alive(sim_end& end, const tcp::keep_alive_options& how) noexcept {
    const auto set = [&end](socket_option which, std::int64_t value) {
        if (value != 0) {
            end.option(which) = static_cast<int>(value);
        }
    };
    end.option(socket_option::keep_alive) = how.on ? 1 : 0;
    if (how.on) {
        set(socket_option::keep_alive_idle, how.idle.count());
        set(socket_option::keep_alive_interval, how.interval.count());
        set(socket_option::keep_alive_count, how.count);
    }
}

// A transfer has got what it asked for.
bool satisfied(operation& op) noexcept {
    if (wants_all(op.what) ? op.count < total_length(op) : op.count == 0) {
        return false;
    }
    settle_done(op);
    return true;
}

// There are no bytes, and there will be none.
bool ends_reading(operation& op) noexcept {
    bool fin = false;
    const std::errc failed = sim_network::end_of_reading(*socket_of(op).end, fin);
    if (failed != std::errc{}) {
        return fail(op, failed);
    }
    if (fin) {
        settle_own(op, errc::end_of_stream);
    }
    return fin;
}

bool& connected(operation& op) noexcept { return static_cast<tcp::connect_op&>(op).connected; }

}  // namespace

sim::~sim() { keep_house(); }

void sim::keep_house() noexcept {
    for (sim_socket* state : closed_) {
        dispose(state);
    }
    closed_.clear();
}

socket_state* sim::open(socket_kind kind, std::error_code& error) {
    if (exhausted()) {
        error = code_of(std::errc::too_many_files_open);
        return nullptr;
    }
    auto* made = new (std::nothrow) sim_socket;
    if (made == nullptr) {
        error = code_of(std::errc::not_enough_memory);
        return nullptr;
    }
    ++open_;
    made->core = &core_;
    made->kind = kind;
    if (kind.role == socket_role::stream) {
        made->end = network_.make();
        made->end->owner = made;
    } else {
        made->door.owner = made;
    }
    return made;
}

socket_state* sim::adopt(const loose_socket& loose, std::error_code& error) {
    std::shared_ptr<sim_end> end = network_.claim(loose);
    if (!end) {
        error = code_of(std::errc::invalid_argument);
        return nullptr;
    }
    auto* made = static_cast<sim_socket*>(open({socket_role::stream, end->local.family()}, error));
    if (made == nullptr) {
        network_.close(end, true);
        return nullptr;
    }
    made->end = std::move(end);
    made->end->owner = made;
    return made;
}

std::error_code sim::control(socket_state& state, control_request& asked) {
    auto& socket = static_cast<sim_socket&>(state);
    const bool binds = asked.what == request::bind || asked.what == request::listen;
    if (binds && asked.address.family() != state.kind.family) {
        return code_of(std::errc::invalid_argument);
    }
    const bool listens = state.kind.role == socket_role::listener;
    if (listens && asked.what == request::listen) {
        if (!socket.listening.inbound.reserve(
                static_cast<std::size_t>(std::max(asked.listening.standing_accepts, 1)))) {
            return code_of(std::errc::not_enough_memory);
        }
        return code_of(network_.listen(socket.door, asked.address, asked.listening));
    }
    if (asked.what == request::local_name) {
        const endpoint& name = listens ? socket.door.where : socket.end->local;
        asked.address = name ? name : endpoint::any(state.kind.family, 0);
        return {};
    }
    if (listens || asked.what == request::listen) {
        return code_of(std::errc::invalid_argument);
    }
    sim_end& end = *socket.end;
    switch (asked.what) {
    case request::bind:
        return code_of(network_.bind(end, asked.address));
    case request::peer_name:
        if (end.at != sim_end::phase::connected || end.reset) {
            return code_of(std::errc::not_connected);
        }
        asked.address = end.peer;
        break;
    case request::shutdown_write:
        return code_of(network_.shutdown_write(end));
    case request::set_option:
        end.option(asked.option) = asked.value;
        break;
    case request::get_option:
        asked.value = end.option(asked.option);
        break;
    case request::set_keep_alive:
        set_keep_alive(end, asked.keep_alive);
        break;
    case request::get_keep_alive:
        asked.keep_alive = {end.option(socket_option::keep_alive) != 0,
                            std::chrono::seconds(end.option(socket_option::keep_alive_idle)),
                            std::chrono::seconds(end.option(socket_option::keep_alive_interval)),
                            end.option(socket_option::keep_alive_count)};
        break;
    case request::connected_for:
        if (end.at != sim_end::phase::connected) {
            return code_of(std::errc::not_connected);
        }
        asked.time = std::chrono::floor<std::chrono::milliseconds>(network_.now() - end.since);
        break;
    case request::unacknowledged:  // what was sent has arrived
        asked.value = 0;
        break;
    case request::fin_arrived:
        asked.value = end.fin_sent && !end.fin_came ? 1 : 0;
        break;
    case request::release:
        return code_of(std::errc::operation_not_supported);
    case request::listen:
    case request::local_name:
    case request::keep_reserve:
        break;
    }
    return {};
}

// ---- Operations. Each step says whether it has finished, and is settled then.

bool sim::submit(operation& op) {
    sim_socket& socket = socket_of(op);
    const bool done = op.what == verb::connect ? connect(op)
                      : is_accept(op.what)     ? accept(op)
                      : is_write(op.what)      ? write(op)
                                               : read(op);
    if (!done) {
        (uses_writing(op.what) ? socket.writing : socket.reading).push(op);
    }
    return done;
}

bool sim::connect(operation& op) {
    const std::errc failed =
        network_.connect(socket_of(op).end, static_cast<tcp::connect_op&>(op).target());
    return failed != std::errc{} && fail(op, failed);
}

bool sim::accept(operation& op) {
    sim_socket& socket = socket_of(op);
    inbound_queue& inbound = socket.listening.inbound;
    if (!socket.reading.empty()) {  // in order
        return false;
    }
    while (!inbound.full() && !socket.door.queued.empty() && !exhausted()) {
        inbound.park(network_.take(socket.door));
    }
    if (inbound.size() == 0) {
        return !socket.door.queued.empty() && refuse(op, socket);
    }
    core_.give(op, inbound.take());
    return true;
}

bool sim::refuse(operation& op, sim_socket& door) {
    listener_half& half = door.listening;
    if (half.when_exhausted == tcp::exhaustion_policy::shed) {
        half.counts.shed += network_.reset_waiting(door.door);
    }
    return fail(op, std::errc::too_many_files_open);
}

// wait_readable and peek: nothing is taken.
bool sim::look(operation& op) {
    sim_end& end = *socket_of(op).end;
    if (op.what != verb::peek) {
        const bool idle = end.at == sim_end::phase::connected && !end.fin_came && !end.reset &&
                          (op.what == verb::closed || end.inbox.size() == 0);
        if (!idle) {
            settle_done(op);
        }
        return !idle;
    }
    std::size_t seen = 0;
    remaining_pieces(op, every_piece, [&](std::byte* to, std::size_t length) {
        seen += end.inbox.look(seen, to, length);
    });
    op.count = seen;
    return seen != 0 ? satisfied(op) : ends_reading(op);
}

bool sim::read(operation& op) {
    if (is_look(op.what)) {
        return look(op);
    }
    sim_end& end = *socket_of(op).end;
    if (op.what == verb::receive) {
        if (end.inbox.size() == 0) {
            return ends_reading(op);
        }
        auto& receiving = static_cast<tcp::receive_op&>(op);
        if (!core_.lent->take(receiving)) {
            return !core_.lent->starve(receiving);
        }
    }
    std::size_t moved = 0;
    remaining_pieces(op, every_piece, [&](std::byte* to, std::size_t length) {
        moved += network_.receive(end, to, length);
    });
    op.count += moved;
    return satisfied(op) || ends_reading(op);
}

bool sim::write(operation& op) {
    sim_end& end = *socket_of(op).end;
    if (const std::errc failed = sim_network::end_of_writing(end); failed != std::errc{}) {
        return fail(op, failed);
    }
    std::size_t moved = 0;
    remaining_pieces(op, every_piece, [&](std::byte* from, std::size_t length) {
        moved += network_.send(end, from, length);
    });
    op.count += moved;
    return satisfied(op);
}

bool sim::cancel(operation& op) {
    sim_socket& socket = socket_of(op);
    if (op.what == verb::connect && !connected(op)) {
        network_.give_up(socket.end);
    }
    (uses_writing(op.what) ? socket.writing : socket.reading).remove(op);
    settle_aborted(op, raw_of(std::errc::operation_canceled));
    return true;
}

void sim::close(socket_state* state, farewell how) {
    auto& socket = static_cast<sim_socket&>(*state);
    --open_;
    if (state->kind.role == socket_role::stream) {
        network_.close(socket.end, how == farewell::reset);
    } else {
        network_.close(socket.door);
        for (inbound_queue& inbound = socket.listening.inbound; inbound.size() != 0;) {
            const loose_socket parked = inbound.take();
            parked.methods->close(parked.native);
        }
    }
    closed_.push_back(&socket);
}

// ---- Time.

std::error_code sim::wait(time_point until, completions& finished) {
    keep_house();
    network_.sweep();
    const bool woken = woken_.exchange(false, std::memory_order_acq_rel);
    const time_point before = network_.now();
    if (until <= before) {
        // Time passes for a busy loop too, or two tasks that never wait for the network, only for
        // each other, would never see a deadline.
        network_.move_clock(before + std::chrono::microseconds{1});
    } else if (network_.next() > before && !woken) {
        const time_point next = std::min(network_.next(), until);
        if (next == time_point::max()) {
            return std::make_error_code(std::errc::resource_deadlock_would_occur);
        }
        network_.move_clock(next);
    }
    while (const std::shared_ptr<sim_end> end = network_.due()) {
        visit(end, finished);
    }
    return {};
}

// What is pushed may lead to its socket's close: the owner is asked for anew each time.
void sim::visit(const std::shared_ptr<sim_end>& end, completions& finished) {
    if (end->at == sim_end::phase::connecting) {
        answer(end, finished);
        return;
    }
    using transfer_step = bool (sim::*)(operation&);
    const auto step = [&](operation_queue socket_state::*queue, transfer_step transfer) {
        operation* op = end->owner != nullptr ? (end->owner->*queue).front() : nullptr;
        if (op != nullptr && !op->paused && (this->*transfer)(*op)) {
            (end->owner->*queue).remove(*op);
            finished.push(*op);
        }
    };
    step(&socket_state::reading, &sim::read);
    step(&socket_state::writing, &sim::write);
}

void sim::answer(const std::shared_ptr<sim_end>& end, completions& finished) {
    sim_door* door = nullptr;
    const std::errc outcome = network_.answer(end, door);
    if (outcome == std::errc::operation_in_progress) {
        return;
    }
    operation& op = *end->owner->writing.front();
    bool over = true;
    if (outcome != std::errc{}) {
        settle_error(op, raw_of(outcome));
    } else {
        connected(op) = true;
        if (op.length == 0) {
            settle_done(op);
        } else {
            over = write(op);
        }
    }
    if (over) {
        end->owner->writing.remove(op);
        finished.push(op);
    }
    if (door != nullptr) {
        serve_door(static_cast<sim_socket&>(*door->owner), finished);
    }
}

void sim::serve_door(sim_socket& socket, completions& finished) {
    operation_queue& waiting = socket.reading;
    while (!socket.door.queued.empty() && !waiting.empty() && !is_paused(waiting)) {
        if (!exhausted()) {
            deliver(socket, socket.listening.inbound, network_.take(socket.door), finished);
            continue;
        }
        operation& op = *waiting.front();
        waiting.remove(op);
        static_cast<void>(refuse(op, socket));
        finished.push(op);
    }
}

backend_choice simulated_backend(loop_core& core) {
    backend_choice choice;
    choice.made = std::make_unique<sim>(core, core.simulated_sockets);
    return choice;
}

}  // namespace thole::detail
