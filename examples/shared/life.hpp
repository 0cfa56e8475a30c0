// SPDX-License-Identifier: BSL-1.0
// A server's life, from its first word to its last.
#pragma once

#include <thole/thole.hpp>

#include <optional>
#include <string>

namespace examples {

// Options of a loop of that backend ("epoll", …); "automatic" or a name that means nothing: the
// platform's own.
[[nodiscard]] thole::loop_options on_backend(const std::string& name);

// What a server begins with.
struct beginning {
    thole::tcp::listener door;
    thole::signal_set
        signals;  // kept from now on: who knows the address may already ask for an end
};
// Listens on `address`, "127.0.0.1:80" or "[::1]:80", and says where, or why not.
[[nodiscard]] std::optional<beginning> listen(thole::loop& on, const std::string& address,
                                              thole::tcp::listen_options with = {});

// Serves until Ctrl-C (SIGINT) or SIGTERM, then drains; a second one ends the program at once.
// SIGUSR1, on Windows Ctrl-Break, has the counters printed. Gives the exit code.
[[nodiscard]] int run_until_interrupted(thole::loop& on, thole::server& of,
                                        thole::signal_set signals);

}  // namespace examples
