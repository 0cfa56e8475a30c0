// SPDX-License-Identifier: BSL-1.0
// The load generator common to all peers: hand-written epoll, one thread. It starts the peer as
// its own child, so that it can read that process's CPU clock and memory from outside.
//   load echo|accept|stream|idle|connect peer=PROGRAM [key=value…]
//   cores=split|same|free; s.key=value goes to the peer as key=value; name= is the row's name
//   wrap="strace -c -f -o FILE" (or valgrind …) puts words before the peer's command line.
#include "load.hpp"

int main(int count, char** words) {
    signal(SIGPIPE, SIG_IGN);
    const std::string workload = count > 1 ? words[1] : "";
    const std::pair<const char*, bool (*)(const bench::arguments&, bench::result&)> all[] = {
        {"echo", &bench::load_echo},
        {"accept", &bench::load_accept},
        {"stream", &bench::load_stream},
        {"idle", &bench::load_idle}};
    bench::raise_descriptors();
    bench::arguments given(count, words, 2);
    bench::result r;
    r.workload = workload;
    std::string name = given.text("peer", "");
    name = name.substr(name.find_last_of('/') + 1);
    name = given.text("name", (name.rfind("peer_", 0) == 0 ? name.substr(5) : name).c_str());
    r.peer = given.words["name"] = name;
    if (workload == "connect") {
        return bench::load_connect(given);
    }
    for (const auto& [word, run] : all) {
        if (workload == word) {
            const bool well = run(given, r);
            r.print();
            return well ? 0 : 1;
        }
    }
    std::fprintf(stderr, "usage: load echo|accept|stream|idle|connect peer=PROGRAM [key=value…]\n");
    return 2;
}
