// SPDX-License-Identifier: BSL-1.0
// What the scenarios ask of a network library: eight calls, with an implementation over thole and
// one over Boost.Asio. No type of either is in it, but thole's endpoint, which is a plain value.
#pragma once

#include <thole/endpoint.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace thole::conformance {

// How a step ended, in words that both libraries share: "ok", "end_of_stream", "cancelled",
// "deadline", "closed", or the name of a std::errc.
[[nodiscard]] std::string word_of(std::errc meaning);

// What a step may be given besides its required arguments.
struct extras {
    int socket = 0;                                    // which of the side's sockets
    std::optional<std::chrono::milliseconds> limit{};  // its deadline
    std::size_t split = 0;                             // two buffers: the first so long
    bool some = false;                                 // a write that may stop after one step
    bool exactly = false;                              // a read that goes on until all came
    bool uncounted = false;                            // how many bytes moved is not determinate
    endpoint from{};                                   // the local end of a connect
    std::string_view as{};                             // its name in the trace
};

// One asynchronous step. It stays at its address until it has ended.
struct step {
    std::string name;  // "client read"
    extras with;
    std::string bytes;  // what is written, or where what is read goes

    // The driver's answer.
    std::string end;  // empty while it is pending
    std::size_t count = 0;
    std::size_t order = 0;         // the how manieth end of the scenario this was
    std::function<void()> cancel;  // set while it is pending

    [[nodiscard]] bool pending() const noexcept { return end.empty(); }
};

class driver {
public:
    driver() = default;
    driver(const driver&) = delete;
    driver& operator=(const driver&) = delete;
    virtual ~driver() = default;

    // The eight calls. Sockets and listeners are numbers of the driver's user; one that was never
    // made counts as closed. A step starts at once and ends in a later turn.
    [[nodiscard]] virtual std::string listen(int door, const endpoint& where) = 0;
    virtual void connect(int socket, const endpoint& target, step& one) = 0;
    virtual void accept(int door, int socket, step& one) = 0;
    virtual void read(int socket, step& one) = 0;
    virtual void write(int socket, step& one) = 0;
    [[nodiscard]] virtual std::string shutdown_write(int socket) = 0;
    virtual void close(int socket_or_door) = 0;
    virtual void abort(int socket) = 0;

    // Names; an empty endpoint where there is none.
    [[nodiscard]] virtual endpoint local(int socket_or_door) = 0;
    [[nodiscard]] virtual endpoint peer(int socket) = 0;

    // Runs what is ready, or waits for it for so long at the most. True: something ran.
    virtual bool turn(std::chrono::milliseconds at_most) = 0;

    // Counts the ends of the steps of all drivers of a scenario.
    void count_in(std::size_t& ends) noexcept { ends_ = &ends; }

protected:
    void ended(step& one, std::string end, std::size_t count) {
        one.cancel = nullptr;
        one.count = count;
        one.order = ++*ends_;
        one.end = std::move(end);
    }

private:
    std::size_t* ends_ = nullptr;
};

// Throws std::runtime_error where there is no such backend.
[[nodiscard]] std::unique_ptr<driver> make_thole_driver(std::string_view backend);
[[nodiscard]] std::unique_ptr<driver> make_asio_driver();

}  // namespace thole::conformance
