// SPDX-License-Identifier: BSL-1.0
#include <thole/thole.hpp>
#include <thole/version.hpp>

#include <cstdio>

int main() {
    thole::loop on;
    if (!on) return 1;
    std::printf("thole %s on %.*s\n", thole::version, static_cast<int>(on.backend().name.size()),
                on.backend().name.data());
    return 0;
}
