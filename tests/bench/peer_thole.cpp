// SPDX-License-Identifier: BSL-1.0
#include "peer_thole.hpp"

namespace bench::with_thole {

void refuse(const char* what, const std::string& why) {
    std::fprintf(stderr, "peer_thole: %s: %s\n", what, why.c_str());
    std::exit(2);
}

setup::setup(const arguments& given) {
    const std::string style = given.text("style", "callback");
    const auto kind = thole::parse_backend(given.text("backend", "automatic"));
    hosted = style == "serve";
    coroutines = hosted || style == "coroutine";
    if (!kind || (!coroutines && style != "callback")) {
        refuse("arguments",
               "backend=automatic|epoll|io_uring|select style=callback|coroutine|serve");
    }
    options.backend = *kind;
    options.spin = std::chrono::microseconds(given.number("spin", 0));
    const long ms = given.number("deadline_ms", 0);
    until = ms > 0 ? thole::within(std::chrono::milliseconds(ms)) : thole::never;
}

void check(const thole::loop& on) {
    if (!on) {
        refuse("loop", on.backend().reason);
    }
}

void check(const thole::result<std::size_t>& ran) {
    if (!ran) {
        refuse("run", ran.error().message());
    }
}

void settle(thole::loop& on) {
    on.restart();
    check(on.poll());
}

}  // namespace bench::with_thole

int main(int count, char** words) {
    namespace with = bench::with_thole;
    return bench::peer_main(count, words,
                            {"thole", &with::serve, &with::pingpong, &with::connect, &with::timers,
                             &with::post, &with::spawn});
}
