// SPDX-License-Identifier: BSL-1.0
#include "peer_libevent.hpp"

namespace bench::with_libevent {
namespace {

class service;

// Its deadline is the event's own: a persistent event arms it anew each time it fires, and a
// common timeout makes that a matter of a list's end.
struct connection {
    event readable{};
    event writable{};  // added only while a write is unfinished
    service* owner;
    int fd;
    std::vector<char> rest{};  // of an answer
    std::uint64_t remain = 0;  // source: bytes still to send
};

class service {
public:
    explicit service(const arguments& a)
        : sink_(a.text("kind", "echo") == "sink"), source_(a.text("kind", "echo") == "source"),
          once_(a.text("kind", "echo") == "once"), exit_after_(a.number("exit_after", 0)),
          spin_(a.number("spin", 0) != 0),
          buffer_(static_cast<std::size_t>(a.number("chunk", 1024)), 'y') {
        if (const long ms = a.number("deadline_ms", 0); ms != 0) {
            const timeval each = time_of(ms);
            deadline_ = event_base_init_common_timeout(base_, &each);
        }
        event_assign(&door_event_, base_, door_, EV_READ | EV_PERSIST, on_door, this);
        event_add(&door_event_, nullptr);
    }
    void run() {
        if (!spin_) {
            event_base_dispatch(base_);
        }
        while (!over_) {
            event_base_loop(base_, EVLOOP_NONBLOCK);
        }
    }

private:
    static connection& of(void* self) { return *static_cast<connection*>(self); }
    static void on_door(int /*unused*/, short /*unused*/, void* self) {
        static_cast<service*>(self)->accept_all();
    }
    static void on_readable(int /*unused*/, short what, void* self) {
        of(self).owner->read(of(self), what);
    }
    static void on_writable(int /*unused*/, short what, void* self) {
        of(self).owner->write_on(of(self), what);
    }
    void accept_all() {
        for (int i = 0; i < 64; ++i) {
            const int fd = accept4(door_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) {
                return;
            }
            auto* c = new connection{.owner = this, .fd = fd};
            event_assign(&c->readable, base_, fd, EV_READ | EV_PERSIST, on_readable, c);
            event_assign(&c->writable, base_, fd, EV_WRITE | EV_PERSIST, on_writable, c);
            event_add(&c->readable, deadline_);
        }
    }
    void drop(connection& c) {
        event_del(&c.readable);
        event_del(&c.writable);
        close(c.fd);
        delete &c;
        if (++closed_ == exit_after_) {
            over_ = true;
            event_base_loopbreak(base_);
        }
    }
    void read(connection& c, short what) {
        if ((what & EV_TIMEOUT) != 0) {
            drop(c);
            return;
        }
        const ssize_t n = recv(c.fd, buffer_.data(), buffer_.size(), 0);
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN) {
                drop(c);
            }
            return;
        }
        if (source_) {
            std::memcpy(&c.remain, buffer_.data(), sizeof c.remain);
            pour(c);
        } else if (!sink_) {
            answer(c, static_cast<std::size_t>(n));
        }
    }
    void answer(connection& c, std::size_t length) {
        const ssize_t n = send(c.fd, buffer_.data(), length, MSG_NOSIGNAL);
        if (n == static_cast<ssize_t>(length)) {
            if (once_) {
                drop(c);
            }
            return;
        }
        if (n < 0 && errno != EAGAIN) {
            drop(c);
            return;
        }
        c.rest.assign(buffer_.begin() + (n < 0 ? 0 : n),
                      buffer_.begin() + static_cast<std::ptrdiff_t>(length));
        event_del(&c.readable);
        event_add(&c.writable, deadline_);
    }
    void write_on(connection& c, short what) {
        if ((what & EV_TIMEOUT) != 0) {
            drop(c);
            return;
        }
        if (source_) {
            pour(c);
            return;
        }
        const ssize_t n = send(c.fd, c.rest.data(), c.rest.size(), MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) {
                drop(c);
            }
            return;
        }
        c.rest.erase(c.rest.begin(), c.rest.begin() + n);
        if (c.rest.empty() && once_) {
            drop(c);
        } else if (c.rest.empty()) {
            event_del(&c.writable);
            event_add(&c.readable, deadline_);
        }
    }
    void pour(connection& c) {
        while (c.remain != 0) {
            const auto most = std::min<std::uint64_t>(c.remain, buffer_.size());
            const ssize_t n =
                send(c.fd, buffer_.data(), static_cast<std::size_t>(most), MSG_NOSIGNAL);
            if (n < 0 && errno == EAGAIN) {
                if (event_pending(&c.writable, EV_WRITE, nullptr) == 0) {
                    event_add(&c.writable, deadline_);
                }
                return;
            }
            if (n < 0) {
                break;
            }
            c.remain -= static_cast<std::uint64_t>(n);
        }
        drop(c);
    }

    bool sink_, source_, once_;
    long exit_after_, closed_ = 0;
    bool spin_, over_ = false;
    std::vector<char> buffer_;
    const timeval* deadline_ = nullptr;
    event_base* base_ = make_base(EVENT_BASE_FLAG_NOLOCK);
    event door_event_{};
    int door_ = listen_and_announce(true);
};

}  // namespace

void serve(const arguments& a, result& /*unused*/) { service(a).run(); }

}  // namespace bench::with_libevent
