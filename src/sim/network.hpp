// SPDX-License-Identifier: BSL-1.0
// The network in memory: who listens, who is connected, which bytes are under way, and what happens
// when. It knows no operations; sim.cpp gives it hands and feet. It behaves as Linux's TCP does on
// the loopback interface, the only one that it has.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <system_error>
#include <vector>

#include <thole/endpoint.hpp>
#include <thole/tcp.hpp>

#include "core/backend.hpp"

namespace thole::detail {

struct sim_end;

// When to look at which end of a connection again. Equal times keep their order.
using sim_agenda = std::multimap<time_point, std::shared_ptr<sim_end>>;

// Bytes on their way in one direction, up to a bound.
class byte_queue {
public:
    static constexpr std::size_t bound = 256 * 1024;

    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() - first_; }
    [[nodiscard]] std::size_t room() const noexcept { return bound - size(); }
    // Both give what they moved.
    std::size_t put(const std::byte* from, std::size_t length);
    std::size_t take(std::byte* to, std::size_t length) noexcept;
    // The bytes from `offset` on stay where they are.
    [[nodiscard]] std::size_t look(std::size_t offset, std::byte* to,
                                   std::size_t length) const noexcept;

private:
    std::vector<std::byte> bytes_;
    std::size_t first_ = 0;
};

// One end of a connection, or of an attempt at one.
struct sim_end {
    enum class phase : std::uint8_t { idle, connecting, connected };

    explicit sim_end(unsigned number) noexcept : home(number) {}

    const unsigned home;  // the number of its network
    phase at = phase::idle;
    bool fin_came = false;             // the other end sends no more
    bool fin_sent = false;             // this one sends no more
    bool deserted = false;             // the other end was closed: the next write meets a reset
    bool reset = false;                // the connection is gone
    bool planned = false;              // `look` stands in the agenda
    std::atomic<bool> dropped{false};  // a loose end, closed on any thread
    sim_agenda::iterator look{};
    std::weak_ptr<sim_end> other;
    socket_state* owner = nullptr;  // null while it is loose, queued or closed
    endpoint name;                  // what is taken from the table of names, if anything
    endpoint local;
    endpoint peer;
    time_point since;  // connected from then on
    byte_queue inbox;  // what the other end sent
    // By socket_option: remembered, and without effect.
    std::array<int, option_count> options{
        0, 0, 0, 0, 7200, 75, 9, byte_queue::bound, byte_queue::bound, 0};
    [[nodiscard]] int& option(socket_option which) noexcept {
        return options[static_cast<std::size_t>(which)];
    }
};

// A listening socket's half in the network.
struct sim_door {
    endpoint where;  // empty: not listening
    bool dual_stack = false;
    int send_buffer = 0;  // of those whom it lets in; 0: as they are
    int receive_buffer = 0;
    std::size_t room = 0;
    socket_state* owner = nullptr;
    std::deque<std::shared_ptr<sim_end>> queued;    // connected, taken by nobody yet
    std::deque<std::shared_ptr<sim_end>> knocking;  // no room for them: we are silent
};

class sim_network {
public:
    static constexpr std::chrono::microseconds round_trip{50};

    sim_network() noexcept;

    [[nodiscard]] std::shared_ptr<sim_end> make() const {
        return std::make_shared<sim_end>(number_);
    }

    // ---- Names. An errc of 0 is success. Port 0 becomes a free one.
    [[nodiscard]] std::errc bind(sim_end& end, const endpoint& where);
    [[nodiscard]] std::errc listen(sim_door& door, const endpoint& where,
                                   const tcp::listen_options& options);

    // ---- Connecting. connect() sends; when the answer is due, answer() tells it: success (`at` is
    // the door with one client more in its queue), refused, or, while the backlog is full,
    // operation_in_progress.
    [[nodiscard]] std::errc connect(const std::shared_ptr<sim_end>& end, const endpoint& target);
    [[nodiscard]] std::errc answer(const std::shared_ptr<sim_end>& end, sim_door*& at);
    void give_up(const std::shared_ptr<sim_end>& end) noexcept;
    // The oldest client of a queue that is not empty, loose; who has been knocking may try again.
    [[nodiscard]] loose_socket take(sim_door& door);
    // How many of these are loose still.
    [[nodiscard]] std::size_t loose() const noexcept { return loose_.size(); }
    // Those who wait are reset; gives how many they were.
    [[nodiscard]] std::size_t reset_waiting(sim_door& door);
    // The end of a loose socket, which is used up; null if it is another network's.
    [[nodiscard]] std::shared_ptr<sim_end> claim(const loose_socket& loose);

    // ---- Bytes. Both give what they moved; end_of_reading and end_of_writing tell what stands in
    // the way of more, 0 for nothing; `fin` is end of stream.
    std::size_t send(sim_end& end, const std::byte* from, std::size_t length);
    std::size_t receive(sim_end& end, std::byte* to, std::size_t length);
    [[nodiscard]] static std::errc end_of_reading(sim_end& end, bool& fin) noexcept;
    [[nodiscard]] static std::errc end_of_writing(sim_end& end) noexcept;
    [[nodiscard]] std::errc shutdown_write(sim_end& end);

    // ---- Closing.
    void close(const std::shared_ptr<sim_end>& end, bool with_reset);
    void close(sim_door& door);
    // Closes the loose ends that were dropped meanwhile.
    void sweep();

    // ---- Time.
    [[nodiscard]] time_point now() const noexcept { return now_; }
    void move_clock(time_point to) noexcept { now_ = to; }
    // When something happens next; time_point::max() if nothing ever does.
    [[nodiscard]] time_point next() const noexcept;
    // The next end to look at now, or null.
    [[nodiscard]] std::shared_ptr<sim_end> due() noexcept;

private:
    [[nodiscard]] bool taken(const endpoint& where) const noexcept;
    [[nodiscard]] std::errc claim_name(endpoint& where);
    void release_name(endpoint& name) noexcept;
    [[nodiscard]] sim_door* find(const endpoint& target) const noexcept;
    void plan(const std::shared_ptr<sim_end>& end, std::chrono::nanoseconds in);
    // Whoever waits at that end has something to see.
    void stir(const std::shared_ptr<sim_end>& end);

    const unsigned number_;
    time_point now_{std::chrono::hours{1}};  // not 0, so that nothing mistakes it for "unset"
    std::uint16_t next_port_ = 32768;
    std::vector<endpoint> names_;
    std::vector<sim_door*> doors_;
    std::vector<std::shared_ptr<sim_end>> loose_;
    sim_agenda agenda_;
};

// What loose sockets of simulated networks have in common.
extern const native_methods sim_methods;

}  // namespace thole::detail
