// SPDX-License-Identifier: BSL-1.0
// What failed because the system had no descriptor, no buffer or no memory for it: it waits a
// while, and is asked for again (R28, R39, R69).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <thole/operation.hpp>
#include <thole/timer.hpp>

namespace thole::detail {

// The system's code, as the platform's table of errors has it, says that there is no more of
// something.
[[nodiscard]] bool is_exhaustion(int raw) noexcept;

// The line of a loop's operations that wait so. Such an operation is `paused`, and stands at the
// front of its socket's queue too, so that none overtakes it: what else waits there waits behind
// it, and backends leave such a queue alone. Nothing of it is in the kernel. The core ends it by
// itself (cancel, deadline, close), or submits it anew, as if it were started now, with what it has
// moved already.
//
// One timer a loop: after `first` everything in the line is asked for again, and what comes back is
// asked for after twice the time, `most` at the longest.
class back_off {
public:
    static constexpr std::chrono::nanoseconds first = std::chrono::milliseconds(5);
    // Two such waits and what lies between leave a service back within a second.
    static constexpr std::chrono::nanoseconds most = std::chrono::milliseconds(250);

    explicit back_off(loop_core& core) noexcept;
    back_off(const back_off&) = delete;
    back_off& operator=(const back_off&) = delete;

    // False: there is no memory for that either.
    [[nodiscard]] bool add(operation& op) noexcept;
    void remove(operation& op) noexcept;
    // `next` waits in the place of `op`.
    void replace(operation& op, operation& next) noexcept;
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

private:
    [[nodiscard]] bool grow() noexcept;
    void arm() noexcept;
    void ask_again() noexcept;

    loop_core& core_;
    timer timer_;
    std::unique_ptr<operation*[]> line_;
    std::size_t size_ = 0;
    std::size_t count_ = 0;
    std::chrono::nanoseconds delay_{0};
    time_point calm_{};  // what comes after that time begins with `first`
};

}  // namespace thole::detail
