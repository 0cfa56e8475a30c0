// SPDX-License-Identifier: BSL-1.0
// The simulated network as a backend.
#pragma once

#include <atomic>
#include <memory>
#include <system_error>
#include <vector>

#include "core/backend.hpp"
#include "sim/network.hpp"

namespace thole::detail {

struct sim_socket : socket_state {
    std::shared_ptr<sim_end> end;  // a stream's
    sim_door door;                 // a listener's
    listener_half listening;
    listener_half* as_listener() noexcept override {
        return kind.role == socket_role::listener ? &listening : nullptr;
    }
};

// A network of this loop alone, with a virtual clock: listeners and clients live on the same loop.
// Connecting takes a round trip and news half of one, in virtual time; bytes that are there, and
// room that is there, are taken at once. The clock moves in wait() alone, which never blocks: where
// nothing is deliverable it jumps to what comes next, and where nothing can come it fails with
// resource_deadlock_would_occur. So a loop that only waits for another thread's post() gets that
// error too: a virtual clock cannot sleep.
class sim final : public backend {
public:
    // `most` sockets at once; 0: any number.
    sim(loop_core& core, std::size_t most) noexcept : core_(core), most_(most) {}
    ~sim() override;

    [[nodiscard]] socket_state* open(socket_kind kind, std::error_code& error) override;
    [[nodiscard]] socket_state* adopt(const loose_socket& loose, std::error_code& error) override;
    [[nodiscard]] std::error_code control(socket_state& state, control_request& asked) override;
    [[nodiscard]] bool submit(operation& op) override;
    [[nodiscard]] bool cancel(operation& op) override;
    void close(socket_state* state, farewell how) override;
    [[nodiscard]] std::error_code wait(time_point until, completions& finished) override;
    void wake() noexcept override { woken_.store(true, std::memory_order_release); }
    [[nodiscard]] time_point now() const noexcept override { return network_.now(); }
    [[nodiscard]] std::size_t held() const noexcept override { return 0; }

private:
    [[nodiscard]] bool connect(operation& op);
    [[nodiscard]] bool accept(operation& op);
    [[nodiscard]] bool read(operation& op);
    [[nodiscard]] bool look(operation& op);
    [[nodiscard]] bool write(operation& op);
    void visit(const std::shared_ptr<sim_end>& end, completions& finished);
    void answer(const std::shared_ptr<sim_end>& end, completions& finished);
    void keep_house() noexcept;
    // There is no descriptor for one more.
    [[nodiscard]] bool exhausted() const noexcept {
        return most_ != 0 && open_ + network_.loose() >= most_;
    }
    [[nodiscard]] bool refuse(operation& op, sim_socket& door);
    void serve_door(sim_socket& door, completions& finished);

    loop_core& core_;
    sim_network network_;
    std::vector<sim_socket*> closed_;
    const std::size_t most_;
    std::size_t open_ = 0;
    std::atomic<bool> woken_{false};
};

}  // namespace thole::detail
