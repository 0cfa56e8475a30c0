// SPDX-License-Identifier: BSL-1.0
#include "sim/network.hpp"

#include <algorithm>
#include <utility>

namespace thole::detail {
namespace {

constexpr std::errc success{};
constexpr std::uint16_t first_port = 32768;

using loose_end = std::shared_ptr<sim_end>;

loose_end& loose_end_of(std::uintptr_t native) noexcept {
    return *reinterpret_cast<loose_end*>(native);
}

std::atomic<unsigned> networks{0};

constexpr std::uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// ::ffff:1.2.3.4 as the IPv4 address that it stands for; everything else as it is.
endpoint unmapped(const endpoint& where) noexcept {
    const auto& bytes = where.bytes();
    if (where.family() != address_family::ipv6 ||
        !std::equal(std::begin(mapped_prefix), std::end(mapped_prefix), bytes.begin())) {
        return where;
    }
    return {endpoint::ipv4_bytes{bytes[12], bytes[13], bytes[14], bytes[15]}, where.port()};
}

endpoint mapped(const endpoint& where) noexcept {
    if (where.family() != address_family::ipv4) {
        return where;
    }
    endpoint::ipv6_bytes bytes{};
    std::copy(std::begin(mapped_prefix), std::end(mapped_prefix), bytes.begin());
    std::copy_n(where.bytes().begin(), 4, bytes.begin() + 12);
    return {bytes, where.port()};
}

}  // namespace

const native_methods sim_methods = {
    [](std::uintptr_t native) noexcept {
        loose_end& end = loose_end_of(native);
        end->dropped.store(true, std::memory_order_release);  // any thread: see sweep()
        delete &end;
    },
    [](std::uintptr_t native, endpoint& name) noexcept {
        return name = loose_end_of(native)->local, std::error_code{};
    },
    [](std::uintptr_t native, endpoint& name) noexcept {
        return name = loose_end_of(native)->peer, std::error_code{};
    },
};

sim_network::sim_network() noexcept : number_(networks.fetch_add(1) + 1) {}

// ---- Names.

bool sim_network::taken(const endpoint& where) const noexcept {
    return std::any_of(names_.begin(), names_.end(), [&](const endpoint& name) {
        return name.port() == where.port() && name.family() == where.family() &&
               (name == where || name.is_unspecified() || where.is_unspecified());
    });
}

std::errc sim_network::claim_name(endpoint& where) {
    if (where.family() == address_family::none) {
        return std::errc::invalid_argument;
    }
    if (!where.is_loopback() && !where.is_unspecified()) {
        return std::errc::address_not_available;
    }
    if (where.port() != 0) {
        if (taken(where)) {
            return std::errc::address_in_use;
        }
    } else {
        const auto used = [this](std::uint16_t port) {
            return std::any_of(names_.begin(), names_.end(),
                               [&](const endpoint& name) { return name.port() == port; });
        };
        for (int tries = 65536 - first_port; used(next_port_); --tries) {
            if (tries == 0) {
                return std::errc::address_not_available;
            }
            next_port_ = std::max(first_port, static_cast<std::uint16_t>(next_port_ + 1));
        }
        where = where.with_port(next_port_);
        next_port_ = std::max(first_port, static_cast<std::uint16_t>(next_port_ + 1));
    }
    names_.push_back(where);
    return success;
}

void sim_network::release_name(endpoint& name) noexcept {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (name && found != names_.end()) {
        names_.erase(found);
    }
    name = {};
}

std::errc sim_network::bind(sim_end& end, const endpoint& where) {
    if (end.name || end.at != sim_end::phase::idle) {
        return std::errc::invalid_argument;
    }
    endpoint wanted = where;
    if (const std::errc failed = claim_name(wanted); failed != success) {
        return failed;
    }
    end.name = wanted;
    end.local = wanted;
    return success;
}

std::errc sim_network::listen(sim_door& door, const endpoint& where,
                              const tcp::listen_options& options) {
    if (door.where) {
        return std::errc::invalid_argument;
    }
    if (options.reuse_port) {
        return std::errc::operation_not_supported;
    }
    endpoint wanted = where;
    if (const std::errc failed = claim_name(wanted); failed != success) {
        return failed;
    }
    constexpr int most = 4096;  // Linux's SOMAXCONN
    door.send_buffer = options.send_buffer;
    door.receive_buffer = options.receive_buffer;
    const int backlog = options.backlog <= 0 ? most : std::min(options.backlog, most);
    door.where = wanted;
    door.dual_stack = options.dual_stack && wanted.family() == address_family::ipv6;
    door.room = static_cast<std::size_t>(backlog) + 1;
    doors_.push_back(&door);
    return success;
}

// ---- Connecting.

std::errc sim_network::connect(const std::shared_ptr<sim_end>& end, const endpoint& target) {
    const bool over_ipv4 = unmapped(target).family() == address_family::ipv4;
    if (!target.is_loopback() && !target.is_unspecified()) {
        return std::errc::network_unreachable;
    }
    if (target.port() == 0) {
        return std::errc::connection_refused;
    }
    const endpoint ours = endpoint::loopback(
        over_ipv4 ? address_family::ipv4 : address_family::ipv6, end->name.port());
    if (!end->name) {
        if (const std::errc failed = bind(*end, ours); failed != success) {
            return failed;
        }
    }
    if (end->local.is_unspecified() || target.family() != ours.family()) {
        const endpoint named = ours.with_port(end->name.port());
        end->local = target.family() == address_family::ipv6 ? mapped(named) : named;
    }
    end->peer = target;
    if (target.is_unspecified()) {
        end->peer = endpoint::loopback(target.family(), target.port());
    }
    end->at = sim_end::phase::connecting;
    plan(end, round_trip);
    return success;
}

sim_door* sim_network::find(const endpoint& target) const noexcept {
    const endpoint wanted = unmapped(target);
    sim_door* found = nullptr;
    for (sim_door* door : doors_) {
        const endpoint where = unmapped(door->where);
        if (where == wanted) {
            return door;
        }
        const bool fits = where.family() == wanted.family() || door->dual_stack;
        if (where.port() == wanted.port() && where.is_unspecified() && fits &&
            (found == nullptr || where.family() == wanted.family())) {
            found = door;
        }
    }
    return found;
}

std::errc sim_network::answer(const std::shared_ptr<sim_end>& end, sim_door*& at) {
    at = find(end->peer);
    if (at == nullptr) {
        end->at = sim_end::phase::idle;
        return std::errc::connection_refused;  // also where its own name is the target
    }
    if (at->queued.size() >= at->room) {
        at->knocking.push_back(end);
        return std::errc::operation_in_progress;
    }
    const std::shared_ptr<sim_end> server = make();
    server->at = end->at = sim_end::phase::connected;
    server->since = end->since = now_;
    const bool six = at->where.family() == address_family::ipv6;
    server->local = six ? mapped(unmapped(end->peer)) : unmapped(end->peer);
    server->peer = six ? mapped(unmapped(end->local)) : unmapped(end->local);
    server->other = end;
    for (const auto& [which, value] :
         {std::pair(socket_option::send_buffer, at->send_buffer),
          std::pair(socket_option::receive_buffer, at->receive_buffer)}) {
        if (value != 0) {
            server->option(which) = value;
        }
    }
    end->other = server;
    at->queued.push_back(server);
    return success;
}

void sim_network::give_up(const std::shared_ptr<sim_end>& end) noexcept {
    end->at = sim_end::phase::idle;
    if (end->planned) {
        agenda_.erase(end->look);
        end->planned = false;
    }
    for (sim_door* door : doors_) {
        std::erase(door->knocking, end);
    }
}

loose_socket sim_network::take(sim_door& door) {
    loose_.push_back(door.queued.front());
    door.queued.pop_front();
    if (!door.knocking.empty()) {
        plan(door.knocking.front(), round_trip);
        door.knocking.pop_front();
    }
    const std::shared_ptr<sim_end>& end = loose_.back();
    return {reinterpret_cast<std::uintptr_t>(new loose_end(end)), &sim_methods, end->local,
            end->peer};
}

std::size_t sim_network::reset_waiting(sim_door& door) {
    const std::size_t waiting = door.queued.size();
    for (const std::shared_ptr<sim_end>& end : door.queued) {
        close(end, true);
    }
    door.queued.clear();
    for (const std::shared_ptr<sim_end>& end : door.knocking) {
        plan(end, round_trip);
    }
    door.knocking.clear();
    return waiting;
}

std::shared_ptr<sim_end> sim_network::claim(const loose_socket& loose) {
    if (loose.methods != &sim_methods || loose_end_of(loose.native)->home != number_) {
        loose.methods->close(loose.native);
        return nullptr;
    }
    const std::unique_ptr<loose_end> handle(&loose_end_of(loose.native));
    const std::shared_ptr<sim_end> end = *handle;
    std::erase(loose_, end);
    return end;
}

// ---- Closing.

void sim_network::close(const std::shared_ptr<sim_end>& end, bool with_reset) {
    give_up(end);
    end->owner = nullptr;
    release_name(end->name);
    const std::shared_ptr<sim_end> other = end->other.lock();
    if (!other || end->reset) {
        return;
    }
    if (with_reset || end->inbox.size() != 0) {  // R113: unread bytes make it a reset
        other->reset = true;
    } else {
        other->fin_came = true;
        other->deserted = true;
    }
    stir(other);
}

void sim_network::close(sim_door& door) {
    std::erase(doors_, &door);
    release_name(door.where);
    static_cast<void>(reset_waiting(door));  // the next try of who is knocking is refused
}

void sim_network::sweep() {
    std::erase_if(loose_, [this](const std::shared_ptr<sim_end>& end) {
        if (!end->dropped.load(std::memory_order_acquire)) {
            return false;
        }
        close(end, true);
        return true;
    });
}

// ---- Time.

time_point sim_network::next() const noexcept {
    return agenda_.empty() ? time_point::max() : agenda_.begin()->first;
}

std::shared_ptr<sim_end> sim_network::due() noexcept {
    if (next() > now_) {
        return nullptr;
    }
    std::shared_ptr<sim_end> end = std::move(agenda_.begin()->second);
    agenda_.erase(agenda_.begin());
    end->planned = false;
    return end;
}

void sim_network::plan(const std::shared_ptr<sim_end>& end, std::chrono::nanoseconds in) {
    if (!end->planned) {
        end->planned = true;
        end->look = agenda_.emplace(now_ + in, end);
    }
}

void sim_network::stir(const std::shared_ptr<sim_end>& end) {
    const socket_state* owner = end->owner;
    if (owner != nullptr && !(owner->reading.empty() && owner->writing.empty())) {
        plan(end, round_trip / 2);
    }
}

}  // namespace thole::detail
