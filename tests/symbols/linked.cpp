// SPDX-License-Identifier: BSL-1.0
// A static program, run under THOLE_BACKEND=sim: what its loops make of the wish, and why.
#include <thole/loop.hpp>

#include <cstdio>
#include <string_view>

using namespace thole;

namespace {

int wrong = 0;

void check(bool right, const loop& on) {
    std::printf("%s: %s\n", right ? "right" : "wrong", on.backend().reason.c_str());
    wrong += right ? 0 : 1;
}

}  // namespace

int main() {
    constexpr std::string_view without = "not linked";
    const loop plain;
#if defined(LOOP_OPTIONS)
    check(plain && plain.backend().kind == backend_kind::sim, plain);
    // Each is there, unless it is the platform or the machine that does not have it.
    for (const backend_kind kind : {backend_kind::sim, backend_kind::select, backend_kind::epoll,
                                    backend_kind::io_uring, backend_kind::iocp}) {
        const loop exact(loop_options{.backend = kind});
        const bool told = exact.backend().reason.find(without) == std::string::npos;
        check(exact.backend().kind == kind && (exact || told), exact);
    }
#else
    const bool fell_back = plain && plain.backend().kind != backend_kind::sim;
    check(fell_back && plain.backend().reason.find(without) != std::string::npos, plain);
#endif
    return wrong;
}
