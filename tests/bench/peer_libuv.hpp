// SPDX-License-Identifier: BSL-1.0
// The distribution's libuv: one read buffer that alloc_cb hands out to all, uv_try_write first and
// a queued uv_write for what it did not take, as libuv's own guide advises.
#pragma once

#include <uv.h>

#include "bench.hpp"
#include "network.hpp"

namespace bench::with_libuv {

inline uv_handle_t* handle(uv_tcp_t& h) { return reinterpret_cast<uv_handle_t*>(&h); }
inline uv_handle_t* handle(uv_timer_t& h) { return reinterpret_cast<uv_handle_t*>(&h); }
inline uv_handle_t* handle(uv_async_t& h) { return reinterpret_cast<uv_handle_t*>(&h); }
inline uv_stream_t* stream(uv_tcp_t& h) { return reinterpret_cast<uv_stream_t*>(&h); }
inline void check(int error, const char* what) {
    if (error < 0) {
        errno = -error;
        die(what);
    }
}

void serve(const arguments& a, result& r);
void pingpong(const arguments& a, result& r);
void connect(const arguments& a, result& r);
void timers(const arguments& a, result& r);
void post(const arguments& a, result& r);

}  // namespace bench::with_libuv
