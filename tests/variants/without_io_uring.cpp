// SPDX-License-Identifier: BSL-1.0
// A machine that forbids io_uring, as many containers do: runs the command that it is given there.
#include "support/raw_peer.hpp"

#include <cstdio>

int main(int count, char** words) {
    if (count < 2 || !thole::test::raw::forbid_io_uring()) {
        std::fputs("without_io_uring COMMAND…: it cannot be forbidden here\n", stderr);
        return 77;
    }
    thole::test::raw::become(words + 1);
    std::perror(words[1]);
    return 1;
}
