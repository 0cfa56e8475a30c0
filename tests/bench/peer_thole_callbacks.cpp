// SPDX-License-Identifier: BSL-1.0
// The server with callbacks: one struct a connection, kept for the next one.
#include <deque>
#include <utility>

#include "peer_thole_serve.hpp"

namespace bench::with_thole {
namespace {

namespace tcp = thole::tcp;
using thole::callback;

template <class Session>
class server {
public:
    explicit server(service& s) : of(s) {}
    void run() {
        accept();
        check(of.loop.run());
        accepting_.cancel();
        settle(of.loop);
    }
    void ended(Session& one) {
        one.next_idle = std::exchange(idle_, &one);
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
    void accept() { accepting_.start(of.door); }
    void begin(tcp::socket peer) {
        Session& one = idle_ != nullptr ? *idle_ : another();
        idle_ = one.next_idle;
        one.begin(std::move(peer));
    }
    [[gnu::noinline]] Session& another() { return all_.emplace_back(*this); }

    callback<tcp::accept_op, on_accept> accepting_{{this}};
    std::deque<Session> all_;
    Session* idle_ = nullptr;
};

// What calls have_read() and have_written() of a session.
template <class Session>
struct on_read {
    Session* self;
    void operator()(thole::result<std::size_t> got) const { self->have_read(got); }
};
template <class Session>
struct on_written {
    Session* self;
    void operator()(thole::transfer sent) const { self->have_written(sent); }
};

template <service_kind kind>
class echo_session {
public:
    echo_session* next_idle = nullptr;
    explicit echo_session(server<echo_session>& of) : owner_(of), until_(of.of.until) {}

    void begin(tcp::socket peer) {
        peer_ = std::move(peer);
        read();
    }
    void have_read(const thole::result<std::size_t>& got) {
        if (!got) {
            end();
            return;
        }
        writing_.start(peer_, std::span<const std::byte>(buffer_.all()).first(*got), until_);
    }
    void have_written(const thole::transfer& sent) {
        if (kind == service_kind::once || !sent) {
            end();
            return;
        }
        read();
    }

private:
    void read() { reading_.start(peer_, buffer_.all(), until_); }
    [[gnu::noinline]] void end() {
        peer_.close();
        owner_.ended(*this);
    }

    server<echo_session>& owner_;
    tcp::socket peer_;
    callback<tcp::read_op, on_read<echo_session>> reading_{{this}};
    callback<tcp::write_op, on_written<echo_session>> writing_{{this}};
    service::buffer buffer_{owner_.of};
    thole::deadline until_;
};

// With lent buffers: an idle connection has its socket and one operation, nothing to write with and
// no buffer.
class lent_session;

class lent_writer {
public:
    void write(lent_session& from, tcp::lent_buffer got);

private:
    struct on_sent {
        lent_writer* self;
        void operator()(thole::transfer sent) const;
    };

    lent_session* from_ = nullptr;
    tcp::lent_buffer bytes_;
    callback<tcp::write_op, on_sent> writing_{{this}};
};

class lent_session {
public:
    lent_session* next_idle = nullptr;
    explicit lent_session(server<lent_session>& of) : owner_(of) {}

    void begin(tcp::socket peer) {
        peer_ = std::move(peer);
        receive();
    }
    void written(lent_writer& by, bool well) {
        idle_writers.push_back(&by);
        if (well && owner_.of.kind == service_kind::echo) {
            receive();
        } else {
            end();
        }
    }
    [[nodiscard]] tcp::socket& peer() { return peer_; }
    [[nodiscard]] thole::deadline until() const { return owner_.of.until; }

private:
    struct on_received {
        lent_session* self;
        void operator()(thole::result<tcp::lent_buffer> got) const {
            if (got) {
                self->write(std::move(*got));
            } else {
                self->end();
            }
        }
    };
    void receive() { receiving_.start(peer_, until()); }
    void write(tcp::lent_buffer got) {
        if (idle_writers.empty()) {
            idle_writers.push_back(&writers.emplace_back());
        }
        lent_writer& by = *idle_writers.back();
        idle_writers.pop_back();
        by.write(*this, std::move(got));
    }
    [[gnu::noinline]] void end() {
        peer_.close();
        owner_.ended(*this);
    }

    static inline std::deque<lent_writer> writers;
    static inline std::vector<lent_writer*> idle_writers;

    server<lent_session>& owner_;
    tcp::socket peer_;
    callback<tcp::receive_op, on_received> receiving_{{this}};
};

void lent_writer::write(lent_session& from, tcp::lent_buffer got) {
    from_ = &from;
    bytes_ = std::move(got);
    writing_.start(from.peer(), tcp::const_bytes(bytes_.bytes()), from.until());
}

void lent_writer::on_sent::operator()(thole::transfer sent) const {
    self->bytes_.give_back();
    self->from_->written(*self, sent.error == std::error_code{});
}

class sink_session {
public:
    sink_session* next_idle = nullptr;
    explicit sink_session(server<sink_session>& of) : owner_(of) {}

    void begin(tcp::socket peer) {
        peer_ = std::move(peer);
        read();
    }
    void have_read(const thole::result<std::size_t>& got) {
        if (got) {
            read();
        } else {
            peer_.close();
            owner_.ended(*this);
        }
    }

private:
    void read() { reading_.start(peer_, buffer_.all(), owner_.of.until); }

    server<sink_session>& owner_;
    tcp::socket peer_;
    callback<tcp::read_op, on_read<sink_session>> reading_{{this}};
    service::buffer buffer_{owner_.of};
};

class source_session {
public:
    source_session* next_idle = nullptr;
    explicit source_session(server<source_session>& of) : owner_(of) {}

    void begin(tcp::socket peer) {
        peer_ = std::move(peer);
        const auto asked = std::as_writable_bytes(std::span(&left_, 1));
        reading_.start(peer_, asked, owner_.of.until);
    }
    void have_read(const thole::transfer& got) {
        left_ = got ? left_ : 0;
        write();
    }
    void have_written(const thole::transfer& sent) {
        left_ = sent ? left_ - sent.count : 0;
        write();
    }

private:
    struct on_number {
        source_session* self;
        void operator()(thole::transfer got) const { self->have_read(got); }
    };
    void write() {
        const service& s = owner_.of;
        if (left_ == 0) {
            peer_.close();
            owner_.ended(*this);
        } else {
            const std::size_t some = std::min<std::uint64_t>(left_, s.chunk);
            writing_.start(peer_, std::span(s.out).first(some), s.until);
        }
    }

    server<source_session>& owner_;
    tcp::socket peer_;
    callback<tcp::read_exactly_op, on_number> reading_{{this}};
    callback<tcp::write_op, on_written<source_session>> writing_{{this}};
    std::uint64_t left_ = 0;
};

}  // namespace

void serve_by_callbacks(service& s) {
    if (s.receive && (s.kind == service_kind::echo || s.kind == service_kind::once)) {
        server<lent_session>(s).run();
        return;
    }
    switch (s.kind) {
    case service_kind::echo:
        server<echo_session<service_kind::echo>>(s).run();
        break;
    case service_kind::once:
        server<echo_session<service_kind::once>>(s).run();
        break;
    case service_kind::sink:
        server<sink_session>(s).run();
        break;
    case service_kind::source:
        server<source_session>(s).run();
        break;
    }
}

}  // namespace bench::with_thole
