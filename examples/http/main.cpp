// SPDX-License-Identifier: BSL-1.0
// Files over HTTP/1.1. What a request is stands in request.hpp, what is answered in site.hpp; here
// is what a server does with sockets.
#include <thole/thole.hpp>

#include <cstdio>
#include <filesystem>
#include <string>

#include "request.hpp"
#include "shared/command_line.hpp"
#include "site.hpp"

using namespace thole;
using namespace std::chrono_literals;

namespace {

// All of one answer; false where the connection is not to be used again.
task<bool> send(tcp::socket& to, http::answer& reply, std::span<std::byte> buffer) {
    while (const std::size_t n = reply.fill(buffer)) {
        const transfer sent = co_await to.write(buffer.first(n), within(30s));
        if (!sent) co_return false;
    }
    if (reply.broken()) to.abort();
    co_return !reply.broken() && reply.keep_alive();
}

task<> converse(http::site& files, tcp::socket client) {
    http::request_reader requests;
    std::byte buffer[16384];
    for (bool more = true; more;) {
        const auto step = requests.next();
        if (step == http::request_reader::step::more) {
            const auto n = co_await client.read(requests.space(), within(30s));
            if (!n) co_return;
            requests.took(*n);
            continue;
        }
        http::answer reply = step == http::request_reader::step::request
                                 ? files.reply(requests.get())
                                 : files.refuse(requests.status());
        more = co_await send(client, reply, buffer);
    }
}

task<> serve(loop& on, tcp::listener door, http::site& files) {
    while (auto client = co_await door.accept()) {
        on.spawn(converse(files, std::move(*client)));
    }
}

}  // namespace

int main(int count, char** words) {
    std::string root = ".";
    std::string address = "127.0.0.1:8080";
    std::string backend = "automatic";
    examples::command_line line("http", "Serves the files of a folder over HTTP/1.1.");
    line.option("--root", root, "the folder");
    line.option("--listen", address, "address and port; port 0: any free one");
    line.option("--backend", backend, "epoll, io_uring, select, iocp");
    if (const auto code = line.read(count, words)) return *code;
    try {
        http::site files(root);
        loop on({.backend = parse_backend(backend).value_or(backend_kind::automatic)});
        const endpoint where = endpoint::parse(address).value_or(endpoint());
        auto door = tcp::listener::open(on, where);
        if (!door) {
            std::fprintf(stderr, "%s\n", describe("listen", where, door.error()).c_str());
            return 1;
        }
        std::printf("http://%s/ serves %s (%s)\n", door->local()->to_string().c_str(),
                    files.root().string().c_str(), std::string(on.backend().name).c_str());
        std::fflush(stdout);
        return on.block_on(serve(on, std::move(*door), files)) ? 0 : 1;
    } catch (const std::filesystem::filesystem_error& why) {
        std::fprintf(stderr, "%s\n", why.what());
        return 1;
    }
}
