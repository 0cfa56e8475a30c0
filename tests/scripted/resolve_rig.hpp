// SPDX-License-Identifier: BSL-1.0
// A system that knows the names that a test gives it, and may be stuck.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/resolver.hpp"
#include "rig.hpp"

namespace thole::test {

// ---- The platform's: posix_resolve_test.cpp, windows_resolve_test.cpp.

extern const std::string_view look_up_call;  // getaddrinfo
extern const std::string_view release_call;  // freeaddrinfo
extern const std::intptr_t no_such_name;     // what it gives for one
[[nodiscard]] std::string host_of(const script::call& asked);
[[nodiscard]] std::string service_of(const script::call& asked);
// Answers with these addresses.
std::intptr_t give(script::call& asked, std::span<const endpoint> found);
// In the place of freeaddrinfo, for what give() made.
std::intptr_t take_back(script::call& asked);

// Threads come in and are stuck until it is opened.
class gate {
public:
    void enter() {
        std::unique_lock lock(mutex_);
        ++entered_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return open_; });
    }
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    // Until so many have come, ever.
    void await(std::size_t count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this, count] { return entered_ >= count; });
    }
    [[nodiscard]] std::size_t entered() {
        const std::lock_guard lock(mutex_);
        return entered_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t entered_ = 0;
    bool open_ = false;
};

[[nodiscard]] inline detail::resolver::figures resolver_now() {
    return detail::resolver::of_process()->look();
}
inline void await_idle_resolver() {
    while (resolver_now().threads != 0) {
        std::this_thread::yield();
    }
}

// `good.example` has this machine's address, `stuck…` waits at the gate, all else is unknown. At
// its end no thread is left.
class names {
public:
    names() {
        script::on(look_up_call).forever().instead([this](script::call& asked) {
            const std::string host = host_of(asked);
            if (host.starts_with("stuck")) {
                stuck.enter();
            } else if (host != "good.example") {
                return no_such_name;
            }
            return give(asked, addresses);
        });
        script::on(release_call).forever().instead(&take_back);
    }
    names(const names&) = delete;
    names& operator=(const names&) = delete;
    ~names() {
        stuck.open();
        await_idle_resolver();
    }

    gate stuck;
    std::vector<endpoint> addresses{endpoint::loopback(address_family::ipv4, 0)};
};

// How look-ups ended, in order.
struct resolved {
    std::error_code error;
    std::vector<endpoint> found;
};
struct noted_names {
    std::vector<resolved>* in;
    void operator()(result<endpoint_list> end) const {
        resolved& one = in->emplace_back();
        one.error = end.error();
        if (end) {
            one.found.assign(end->begin(), end->end());
        }
    }
};
using resolving = callback<resolve_op, noted_names>;

inline task<result<endpoint_list>> look_up(loop& on, std::string_view host, int port,
                                           deadline until = within(30s)) {
    co_return co_await resolve(on, host, port, until);
}

}  // namespace thole::test
