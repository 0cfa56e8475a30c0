// SPDX-License-Identifier: BSL-1.0
// The distribution's libevent as its fastest users have it: events embedded in their own structs,
// no bufferevent, own reads and writes, no locks but where another thread posts.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>

#include "bench.hpp"
#include "network.hpp"

namespace bench::with_libevent {

inline event_base* make_base(int flags) {
    event_config* how = event_config_new();
    event_config_set_flag(how, flags | EVENT_BASE_FLAG_IGNORE_ENV);
    event_base* made = event_base_new_with_config(how);
    event_config_free(how);
    if (made == nullptr) {
        die("event_base_new");
    }
    return made;
}
inline timeval time_of(long ms) { return {ms / 1000, ms % 1000 * 1000}; }

void serve(const arguments& a, result& r);
void pingpong(const arguments& a, result& r);
void connect(const arguments& a, result& r);
void timers(const arguments& a, result& r);
void post(const arguments& a, result& r);

}  // namespace bench::with_libevent
