// SPDX-License-Identifier: BSL-1.0
// The server with callbacks: one struct a connection, kept for the next one.
#include <deque>
#include <memory>

#include "peer_thole_serve.hpp"

namespace bench::with_thole {
namespace {

namespace tcp = thole::tcp;
using thole::callback;

class server;

class session {
public:
    explicit session(server& of);

    void begin(tcp::socket peer) {
        peer_ = std::move(peer);
        read();
    }

private:
    struct on_read {
        session* self;
        void operator()(thole::result<std::size_t> got) const { self->have_read(got); }
    };
    struct on_written {
        session* self;
        void operator()(thole::transfer sent) const { self->have_written(sent); }
    };

    void read();
    void have_read(const thole::result<std::size_t>& got);
    void have_written(const thole::transfer& sent);
    void pour();
    [[gnu::noinline]] void end();

    server& owner_;
    tcp::socket peer_;
    callback<tcp::read_op, on_read> reading_{{this}};
    callback<tcp::write_op, on_written> writing_{{this}};
    std::unique_ptr<std::byte[]> buffer_;
    std::uint64_t left_ = 0;  // of a source
};

class server {
public:
    explicit server(service& s) : of(s) {}
    void accept() { accepting_.start(of.door); }
    void cancel() { accepting_.cancel(); }
    void ended(session& one) {
        idle_.push_back(&one);
        of.gone();
    }

    service& of;

private:
    struct on_accept {
        server* self;
        void operator()(thole::result<tcp::socket> peer) const {
            if (peer) {
                self->begin(std::move(*peer));
                self->accept();
            }
        }
    };
    void begin(tcp::socket peer) {
        if (idle_.empty()) {
            idle_.push_back(&all_.emplace_back(*this));
        }
        session& one = *idle_.back();
        idle_.pop_back();
        one.begin(std::move(peer));
    }

    callback<tcp::accept_op, on_accept> accepting_{{this}};
    std::deque<session> all_;
    std::vector<session*> idle_;
};

session::session(server& of) : owner_(of), buffer_(new std::byte[of.of.chunk]) {}

void session::read() {
    const service& s = owner_.of;
    reading_.start(peer_, std::span(buffer_.get(), s.chunk), s.until);
}

void session::have_read(const thole::result<std::size_t>& got) {
    const service& s = owner_.of;
    if (!got) {
        end();
    } else if (s.kind == service_kind::echo) {
        writing_.start(peer_, std::span<const std::byte>(buffer_.get(), *got), s.until);
    } else if (s.kind == service_kind::sink) {
        read();
    } else {
        std::memcpy(&left_, buffer_.get(), sizeof left_);
        pour();
    }
}

void session::have_written(const thole::transfer& sent) {
    if (!sent) {
        end();
    } else if (left_ == 0) {
        read();
    } else {
        left_ -= sent.count;
        pour();
    }
}

void session::pour() {
    const service& s = owner_.of;
    if (left_ == 0) {
        end();
        return;
    }
    const std::size_t some = std::min<std::uint64_t>(left_, s.chunk);
    writing_.start(peer_, std::span(s.out).first(some), s.until);
}

void session::end() {
    left_ = 0;
    peer_.close();
    owner_.ended(*this);
}

}  // namespace

void serve_by_callbacks(service& s) {
    server all(s);
    all.accept();
    check(s.loop.run());
    all.cancel();
    settle(s.loop);
}

}  // namespace bench::with_thole
