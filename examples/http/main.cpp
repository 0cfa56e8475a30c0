// SPDX-License-Identifier: BSL-1.0
// Files over HTTP/1.1. What a request is stands in request.hpp, what is answered in site.hpp; here
// is what a server does with sockets.
#include <thole/thole.hpp>

#include <cstdio>
#include <filesystem>
#include <string>

#include "request.hpp"
#include "shared/command_line.hpp"
#include "shared/life.hpp"
#include "site.hpp"

using namespace thole;
using namespace std::chrono_literals;

namespace {

using step = http::request_reader::step;

// All of one answer; false where the connection is not to be used again.
task<bool> send(tcp::socket& to, http::answer& reply, std::span<std::byte> buffer) {
    while (const std::size_t n = reply.fill(buffer)) {
        const transfer sent = co_await to.write(buffer.first(n));
        if (!sent) co_return false;
    }
    if (reply.broken()) to.abort();  // only a reset can tell: the length was promised
    co_return !reply.broken() && reply.keep_alive();
}

// One client, for as long as its connection is kept. A read or write without a deadline has the
// server's idle time. When this returns the connection is closed gracefully: a client that still
// uploads gets to read why it was refused.
task<> converse(loop& on, http::site& files, connection& with) {
    // An answer is several writes, and the last one shall not wait for the client's word on those
    // before it, which may take it 40 ms.
    static_cast<void>(with.socket().no_delay(true));
    http::request_reader requests;
    std::byte buffer[16384];
    for (bool more = true; more;) {
        // A drain lets go who has asked for nothing, and waits for a request that has begun. That
        // one has its time as a whole, so that nobody keeps us by a byte now and then.
        connection::busy_mark busy;
        deadline whole = never;
        step next = requests.next();
        while (next == step::more) {
            if (requests.begun() && whole == never) {
                busy = with.busy();
                whole = at(on.now() + 20s);
            }
            const auto n = co_await with.socket().read(requests.space(), whole);
            if (!n) co_return;
            requests.took(*n);
            next = requests.next();
        }
        http::answer reply = next == step::request ? files.reply(requests.get(), !with.draining())
                                                   : files.refuse(requests.status());
        more = co_await send(with.socket(), reply, buffer);
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
        loop on(examples::on_backend(backend));
        auto begun = examples::listen(on, address);
        if (!begun) return 1;
        server all =
            serve(on, std::move(begun->door),
                  [&](connection& with) { return converse(on, files, with); }, {.idle = 30s});
        return examples::run_until_interrupted(on, all, std::move(begun->signals));
    } catch (const std::filesystem::filesystem_error& why) {
        std::fprintf(stderr, "%s\n", why.what());
        return 1;
    }
}
