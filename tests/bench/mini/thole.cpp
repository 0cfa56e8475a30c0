// SPDX-License-Identifier: BSL-1.0
// The smallest echo server: what including and linking thole costs.
#include <thole/callback.hpp>
#include <thole/listener.hpp>

using namespace thole;

struct session {
    struct on_bytes {
        session* self;
        void operator()(result<std::size_t> got) const {
            if (got) {
                self->writing.start(self->peer, tcp::const_bytes(self->buffer, *got));
            } else {
                delete self;
            }
        }
    };
    struct on_sent {
        session* self;
        void operator()(transfer sent) const {
            if (sent) {
                self->read();
            } else {
                delete self;
            }
        }
    };
    explicit session(tcp::socket of) : peer(std::move(of)) {}
    void read() { reading.start(peer, tcp::mutable_bytes(buffer)); }

    tcp::socket peer;
    std::byte buffer[1024];
    callback<tcp::read_op, on_bytes> reading{{this}};
    callback<tcp::write_op, on_sent> writing{{this}};
};

struct door {
    struct on_client {
        door* self;
        void operator()(result<tcp::socket> peer) const {
            if (peer) {
                (new session(std::move(*peer)))->read();
            }
            self->accepting.start(self->listening);
        }
    };
    tcp::listener listening;
    callback<tcp::accept_op, on_client> accepting{{this}};
};

int main() {
    loop on;
    auto listening = tcp::listener::open(on, endpoint::loopback(address_family::ipv4, 7777));
    if (!listening) {
        return 1;
    }
    door one{std::move(*listening)};
    one.accepting.start(one.listening);
    return on.run() ? 0 : 1;
}
