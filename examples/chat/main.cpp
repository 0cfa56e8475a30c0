// SPDX-License-Identifier: BSL-1.0
// A room in which each line is told to everybody. Whoever reads too slowly is waited for only so
// far: what waits for one guest is bounded, in the kernel and here, then that guest is dropped, and
// the others have noticed nothing.
#include <thole/thole.hpp>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "shared/command_line.hpp"
#include "shared/life.hpp"

using namespace thole;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t longest_line = 1024;

class room {
public:
    void enter(connection& with) { guests_.push_back(&with); }
    void leave(connection& with) { std::erase(guests_, &with); }

    // send() takes all of the line or nothing of it, and never waits.
    void tell_all(const std::string& line) {
        for (connection* guest : guests_) {
            const auto taken = guest->send(std::as_bytes(std::span(line)));
            if (taken.error() == errc::limit_reached) {
                std::puts("a guest reads too slowly: dropped");
                std::fflush(stdout);
                guest->drop();  // its handler is cancelled, and leaves in a later turn
            }
        }
    }

private:
    std::vector<connection*> guests_;
};

// In the room for as long as it lives.
class presence {
public:
    presence(room& in, connection& with, std::string name)
        : in_(in), with_(with), name_(std::move(name)) {
        in_.enter(with_);
        in_.tell_all("* " + name_ + " is here\n");
    }
    presence(const presence&) = delete;
    presence& operator=(const presence&) = delete;
    ~presence() {
        in_.leave(with_);
        in_.tell_all("* " + name_ + " has left\n");
    }
    void say(std::string_view line) { in_.tell_all(name_ + ": " + std::string(line) + '\n'); }

private:
    room& in_;
    connection& with_;
    std::string name_;
};

task<> talk(room& in, connection& with, unsigned number) {
    presence guest(in, with, "guest " + std::to_string(number));
    std::string heard;
    std::byte buffer[longest_line];
    while (auto n = co_await with.socket().read(buffer)) {
        heard.append(reinterpret_cast<const char*>(buffer), *n);
        for (std::size_t end = 0; (end = heard.find('\n')) != std::string::npos;) {
            std::string_view line(heard.data(), end);
            if (line.ends_with('\r')) line.remove_suffix(1);
            guest.say(line);
            heard.erase(0, end + 1);
        }
        if (heard.size() > longest_line) co_return;
    }
}

}  // namespace

int main(int count, char** words) {
    std::string address = "127.0.0.1:7001";
    std::string backend = "automatic";
    unsigned most_unsent = 65'536;
    examples::command_line line("chat", "Tells each line to everybody in the room.");
    line.option("--listen", address, "address and port; port 0: any free one");
    line.option("--most-unsent", most_unsent, "bytes that may wait for one guest");
    line.option("--backend", backend, "epoll, io_uring, select, iocp");
    if (const auto code = line.read(count, words)) return *code;

    room all_guests;
    unsigned number = 0;
    loop on(examples::on_backend(backend));
    // The kernel's own buffers would hold megabytes for each guest.
    auto begun = examples::listen(on, address, {.send_buffer = 32'768});
    if (!begun) return 1;
    server all = serve(on, std::move(begun->door),
                       [&](connection& with) { return talk(all_guests, with, ++number); },
                       {.idle = 1h, .most_unsent = most_unsent});
    return examples::run_until_interrupted(on, all, std::move(begun->signals));
}
