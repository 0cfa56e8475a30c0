// SPDX-License-Identifier: BSL-1.0
// Bytes on their way through the network in memory.
#include "sim/network.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace thole::detail {
namespace {

constexpr std::errc success{};

}  // namespace

std::size_t byte_queue::put(const std::byte* from, std::size_t length) {
    const std::size_t count = std::min(length, room());
    if (first_ > bound / 4) {
        bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }
    bytes_.insert(bytes_.end(), from, from + count);
    return count;
}

std::size_t byte_queue::take(std::byte* to, std::size_t length) noexcept {
    const std::size_t count = std::min(length, size());
    if (count != 0) {
        std::memcpy(to, bytes_.data() + first_, count);
        first_ += count;
    }
    if (size() == 0) {
        bytes_.clear();
        first_ = 0;
    }
    return count;
}

std::size_t byte_queue::look(std::size_t offset, std::byte* to, std::size_t length) const noexcept {
    const std::size_t count = offset < size() ? std::min(length, size() - offset) : 0;
    if (count != 0) {
        std::memcpy(to, bytes_.data() + first_ + offset, count);
    }
    return count;
}

std::size_t sim_network::send(sim_end& end, const std::byte* from, std::size_t length) {
    if (end.deserted) {
        // RW06: taken by our kernel, thrown away by theirs, which answers with a reset.
        end.reset = true;
        return length;
    }
    const std::shared_ptr<sim_end> other = end.other.lock();
    const std::size_t count = other->inbox.put(from, length);
    if (count != 0) {
        stir(other);
    }
    return count;
}

std::size_t sim_network::receive(sim_end& end, std::byte* to, std::size_t length) {
    const std::size_t count = end.inbox.take(to, length);
    const std::shared_ptr<sim_end> other = end.other.lock();
    if (count != 0 && other) {
        stir(other);
    }
    return count;
}

std::errc sim_network::end_of_reading(sim_end& end, bool& fin) noexcept {
    if (end.at != sim_end::phase::connected) {
        return std::errc::not_connected;
    }
    // RW05: data first. A reset that answers a write after the FIN does not undo the FIN.
    fin = end.inbox.size() == 0 && end.fin_came;
    if (fin || end.inbox.size() != 0) {
        return success;
    }
    return end.reset ? std::errc::connection_reset : success;
}

std::errc sim_network::end_of_writing(sim_end& end) noexcept {
    if (end.at != sim_end::phase::connected) {
        return std::errc::not_connected;
    }
    if (end.reset && !end.fin_came) {
        return std::errc::connection_reset;
    }
    return end.fin_sent || end.reset ? std::errc::broken_pipe : success;
}

std::errc sim_network::shutdown_write(sim_end& end) {
    if (end.at != sim_end::phase::connected || end.reset) {
        return std::errc::not_connected;
    }
    end.fin_sent = true;
    if (const std::shared_ptr<sim_end> other = end.other.lock()) {
        other->fin_came = true;
        stir(other);
    }
    return success;
}

}  // namespace thole::detail
