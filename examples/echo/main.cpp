// SPDX-License-Identifier: BSL-1.0
// The smallest server: says back what it hears.
#include <thole/thole.hpp>

#include <string>

#include "shared/command_line.hpp"
#include "shared/life.hpp"

using namespace thole;
using namespace std::chrono_literals;

namespace {

task<> echo(connection& with) {
    std::byte buffer[4096];
    while (auto n = co_await with.socket().read(buffer)) {
        const transfer sent = co_await with.socket().write(std::span(buffer).first(*n));
        if (!sent) co_return;
    }
}

}  // namespace

int main(int count, char** words) {
    std::string address = "127.0.0.1:7000";
    std::string backend = "automatic";
    examples::command_line line("echo", "Says back what it hears.");
    line.option("--listen", address, "address and port; port 0: any free one");
    line.option("--backend", backend, "epoll, io_uring, select, iocp");
    if (const auto code = line.read(count, words)) return *code;

    loop on(examples::on_backend(backend));
    auto begun = examples::listen(on, address);
    if (!begun) return 1;
    server all = serve(on, std::move(begun->door), echo, {.idle = 5min});
    return examples::run_until_interrupted(on, all, std::move(begun->signals));
}
