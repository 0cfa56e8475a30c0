// SPDX-License-Identifier: BSL-1.0
// What the servers of both styles share.
#pragma once

#include <memory>
#include <vector>

#include "peer_thole.hpp"

namespace bench::with_thole {

// What a connection is for: all comes back; what comes first comes back, and it closes; all is
// taken; a number comes (8 bytes of this machine) and so many bytes go.
enum class service_kind { echo, once, sink, source };

class service {
public:
    service(thole::loop& on, thole::tcp::listener at, const arguments& given, const setup& how);

    void gone() {
        if (++closed_ == exit_after_) {
            loop.stop();
        }
    }

    // A buffer of `chunk` bytes that goes back for the next connection.
    class buffer {
    public:
        explicit buffer(service& of) : of_(of), bytes_(of.take()) {}
        buffer(const buffer&) = delete;
        buffer& operator=(const buffer&) = delete;
        ~buffer() { of_.spare_.push_back(std::move(bytes_)); }
        [[nodiscard]] std::span<std::byte> all() const { return {bytes_.get(), of_.chunk}; }

    private:
        service& of_;
        std::unique_ptr<std::byte[]> bytes_;
    };

    thole::loop& loop;
    thole::tcp::listener door;
    const service_kind kind;
    const bool receive;   // into lent buffers
    const bool graceful;  // connections end by close_gracefully()
    const std::size_t chunk;
    const thole::deadline until;
    const std::chrono::nanoseconds idle;  // in its place, where serve() serves
    const std::vector<std::byte> out;     // what a source sends

private:
    std::unique_ptr<std::byte[]> take();

    const long exit_after_;
    long closed_ = 0;
    std::vector<std::unique_ptr<std::byte[]>> spare_;
};

// Each runs the loop until the service says stop.
void serve_by_callbacks(service& s);
void serve_by_coroutines(service& s);
void serve_by_server(service& s);

}  // namespace bench::with_thole
