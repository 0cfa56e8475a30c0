// SPDX-License-Identifier: BSL-1.0
// Between two turns: polling for a while, then sleep.
#include <algorithm>

#include "core/loop_core.hpp"

namespace thole::detail {

std::error_code loop_core::pause(time_point until) {
    completions done(*this);
    if (until == time_point::min()) {
        return network->wait(until, done);
    }
    return spin.enabled() ? poll_and_sleep(until, done) : sleep(until, done);
}

std::error_code loop_core::sleep(time_point until, completions& done) {
    if (!mail.fall_asleep()) {
        return network->wait(time_point::min(), done);
    }
    if (stopped.load(std::memory_order_seq_cst)) {  // R119: asked after the mark is set
        until = time_point::min();
    }
    const std::error_code failed = network->wait(until, done);
    mail.awake();
    return failed;
}

// While it polls it is awake: nobody wakes it, it looks at its inbox itself. A look may take the
// last word on the last thing there was: then nothing would end a sleep.
std::error_code loop_core::poll_and_sleep(time_point until, completions& done) {
    const time_point start = clock();
    const time_point end = std::min(until, start + std::chrono::nanoseconds(spin.allowance()));
    time_point now = start;
    while (now < end) {
        const std::error_code failed = network->wait(time_point::min(), done);
        now = clock();
        const bool news = !ready.empty() || !mail.empty() || !has_work() || now >= until ||
                          stopped.load(std::memory_order_relaxed);
        if (news || failed) {
            spin.polled((now - start).count(), news);
            return failed;
        }
    }
    if (now > start) {
        spin.polled((now - start).count(), false);
    }
    const std::error_code failed = sleep(until, done);
    spin.slept((clock() - now).count());
    return failed;
}

}  // namespace thole::detail
