// SPDX-License-Identifier: BSL-1.0
// FI02: the nth call to the system fails, for every n.
#include "flow.hpp"

#include "posix/platform.hpp"

namespace {

using namespace thole;
using namespace thole::test;
using script::call;

constexpr backend_kind kinds[] = {backend_kind::epoll, backend_kind::select};

// R68: it says that it failed, and the descriptor is gone all the same.
void close_it(const call& c) { ::close(static_cast<int>(c.handle)); }

const failing_call failures[] = {
    {"accept4", -1, {EMFILE, ECONNABORTED, ENOMEM}},
    {"bind", -1, {EADDRINUSE, EACCES, ENOMEM}},
    {"close", -1, {EINTR, EIO}, &close_it},
    {"connect", -1, {ECONNREFUSED, EADDRNOTAVAIL, ENETUNREACH}},
    {"epoll_create1", -1, {EMFILE, ENFILE, ENOMEM}},
    {"epoll_ctl", -1, {ENOSPC, ENOMEM}},
    {"epoll_pwait2", -1, {EINTR, ENOSYS}},
    {"epoll_wait", -1, {EINTR}},
    {"eventfd", -1, {EMFILE, ENFILE, ENOMEM}},
    {"getpeername", -1, {ENOBUFS, ENOTCONN}},
    {"getsockname", -1, {ENOBUFS}},
    {"getsockopt", -1, {ENOBUFS, ENOMEM}},
    {"listen", -1, {EADDRINUSE}},
    {"open", -1, {EMFILE, ENOENT}},
    {"pselect", -1, {EINTR, ENOMEM, EBADF}},
    {"read", -1, {EINTR, EIO}},
    {"recv", -1, {ECONNRESET, ETIMEDOUT, ENOMEM}},
    {"recvmsg", -1, {ECONNRESET, EHOSTUNREACH, ENOBUFS}},
    {"send", -1, {EPIPE, ECONNRESET, ENOBUFS}},
    {"sendmsg", -1, {ECONNRESET, EPIPE, ENETUNREACH}},
    {"setsockopt", -1, {ENOPROTOOPT, ENOMEM}},
    {"shutdown", -1, {ENOTCONN}},
    {"socket", -1, {EMFILE, ENFILE, ENOBUFS}},
    {"write", -1, {EINTR}},
};

void each_call_of(const flow& run) {
    constexpr std::string_view makers[] = {"accept4", "epoll_create1", "eventfd", "open", "socket"};
    constexpr std::string_view closers[] = {"close"};
    for (const backend_kind kind : kinds) {
        const std::size_t before = raw::open_handles();
        fail_each_call(run, kind, failures, [&] {
            CHECK(raw::open_handles() == before);
            check_closed(makers, closers);
        });
    }
}

THOLE_TEST("FI02 each call of an echo fails once: all ends, nothing stays open", "[scripted]") {
    each_call_of([](backend_kind kind) { return echo_flow(kind); });
}

THOLE_TEST("FI02 each call of a connect fails once: all ends, nothing stays open", "[scripted]") {
    each_call_of(&connect_flow);
}

THOLE_TEST("FI02 each call of a loop's end fails once: nothing is told or stays open",
           "[scripted]") {
    each_call_of(&end_flow);
}

}  // namespace
