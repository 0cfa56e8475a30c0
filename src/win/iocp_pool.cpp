// SPDX-License-Identifier: BSL-1.0
// When a listener's standing requests are posted anew.
#include "win/iocp_pool.hpp"

#include <chrono>
#include <utility>

#include "core/loop_core.hpp"
#include "win/verbs.hpp"

namespace thole::detail {

void iocp::restock_later(listener_state& state) noexcept {
    if (!state.listed && !state.closed) {
        state.listed = true;
        state.next_listed = std::exchange(listed_, &state);
    }
}

void iocp::unlist(const listener_state& closing) noexcept {
    listener_state** at = &listed_;
    while (*at != nullptr && *at != &closing) {
        at = &(*at)->next_listed;
    }
    if (*at != nullptr) {
        *at = closing.next_listed;
    }
}

// Off the path of completions, once a listener and batch. Gives when it is to be called again
// (R39): where nobody waits, the next accept is soon enough.
time_point iocp::restock_listed(completions& finished) {
    time_point again = time_point::max();
    for (listener_state* next = std::exchange(listed_, nullptr); next != nullptr;) {
        listener_state& state = *std::exchange(next, next->next_listed);
        state.listed = false;
        const bool awaited = !state.reading.empty();
        if (state.not_before == time_point::min() || state.not_before <= now()) {
            if (restock(state, finished)) {
                state.delay = back_off::first;
                state.not_before = time_point::min();
                continue;
            }
            state.not_before = now() + state.delay;
            state.delay = std::min(2 * state.delay, back_off::most);
        }
        if (is_paused(state.reading)) {
            // Nothing stands: the core asks again for all of them.
        } else if (!state.reading.empty()) {
            restock_later(state);
            again = std::min(again, state.not_before);
        } else if (awaited) {
            again = time_point::min();  // there is something to tell
        }
    }
    return again;
}

}  // namespace thole::detail
