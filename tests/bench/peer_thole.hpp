// SPDX-License-Identifier: BSL-1.0
// thole as its users see it: what its workloads share.
//   backend=automatic|epoll|io_uring|select   style=callback|coroutine|serve
#pragma once

#include <thole/thole.hpp>

#include <string>

#include "bench.hpp"

namespace bench::with_thole {

struct setup {
    explicit setup(const arguments& given);

    thole::loop_options options;
    bool coroutines;
    bool hosted;            // by thole::serve()
    thole::deadline until;  // of each step of a connection; never by default
};

// Ends the program.
[[noreturn]] void refuse(const char* what, const std::string& why);
// A loop that cannot be used ends the program.
void check(const thole::loop& on);
void check(const thole::result<std::size_t>& ran);
// Runs what is ready, so that nothing is pending when the caller's operations go.
void settle(thole::loop& on);

template <class T>
T value_of(thole::result<T> got, const char* what) {
    if (!got) {
        refuse(what, got.error().message());
    }
    return std::move(*got);
}

void serve(const arguments& given, result& r);
void pingpong(const arguments& given, result& r);
void connect(const arguments& given, result& r);
void timers(const arguments& given, result& r);
void post(const arguments& given, result& r);
void spawn(const arguments& given, result& r);

}  // namespace bench::with_thole
