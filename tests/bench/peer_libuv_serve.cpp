// SPDX-License-Identifier: BSL-1.0
#include "peer_libuv.hpp"

namespace bench::with_libuv {
namespace {

struct connection;

struct service {
    uv_loop_t loop;
    uv_tcp_t door;
    std::vector<char> buffer, data;
    bool sink, source, once;
    long exit_after, closed = 0;
    std::uint64_t deadline;
    bool over = false;
};

// The timer is asked whether the deadline has moved when the old one is due: cheaper than to
// start it again at each operation.
struct connection {
    uv_tcp_t socket;
    uv_timer_t* timer = nullptr;
    service* owner;
    std::uint64_t remain = 0, due = 0;
};

struct queued_write {
    uv_write_t request;
    connection* of;
    std::vector<char> data;
};

void gone(uv_handle_t* h) {
    const connection* c = static_cast<connection*>(h->data);
    service& s = *c->owner;
    delete c;
    if (++s.closed == s.exit_after) {
        s.over = true;
        uv_stop(&s.loop);
    }
}
void drop(connection& c) {
    if (uv_is_closing(handle(c.socket)) != 0) {
        return;
    }
    if (c.timer != nullptr) {
        uv_close(handle(*c.timer), [](uv_handle_t* h) { delete reinterpret_cast<uv_timer_t*>(h); });
    }
    uv_close(handle(c.socket), gone);
}
void begin_operation(connection& c) { c.due = uv_now(&c.owner->loop) + c.owner->deadline; }
void on_limit(uv_timer_t* timer) {
    connection& c = *static_cast<connection*>(timer->data);
    const std::uint64_t now = uv_now(timer->loop);
    if (c.due > now) {
        uv_timer_start(timer, on_limit, c.due - now, 0);
    } else {
        drop(c);
    }
}

void pour(connection& c) {
    service& s = *c.owner;
    while (c.remain != 0) {
        const auto most = std::min<std::uint64_t>(c.remain, s.data.size());
        uv_buf_t part = uv_buf_init(s.data.data(), static_cast<unsigned>(most));
        begin_operation(c);
        const int n = uv_try_write(stream(c.socket), &part, 1);
        if (n < 0 && n != UV_EAGAIN) {
            break;
        }
        const std::size_t sent = n < 0 ? 0 : static_cast<std::size_t>(n);
        c.remain -= most;
        if (sent == most) {
            continue;
        }
        part = uv_buf_init(part.base + sent, static_cast<unsigned>(most - sent));
        auto* rest = new queued_write{{}, &c, {}};
        rest->request.data = rest;
        uv_write(&rest->request, stream(c.socket), &part, 1, [](uv_write_t* w, int error) {
            auto* done = static_cast<queued_write*>(w->data);
            connection& of = *done->of;
            delete done;
            if (error < 0) {
                drop(of);
            } else {
                pour(of);
            }
        });
        return;
    }
    drop(c);
}

void answer(connection& c, char* data, std::size_t length) {
    uv_buf_t all = uv_buf_init(data, static_cast<unsigned>(length));
    begin_operation(c);
    const int n = uv_try_write(stream(c.socket), &all, 1);
    if (n < 0 && n != UV_EAGAIN) {
        drop(c);
        return;
    }
    const std::size_t sent = n < 0 ? 0 : static_cast<std::size_t>(n);
    if (sent == length) {
        if (c.owner->once) {
            drop(c);
        }
        return;
    }
    auto* rest = new queued_write{{}, &c, {data + sent, data + length}};
    rest->request.data = rest;
    uv_buf_t part = uv_buf_init(rest->data.data(), static_cast<unsigned>(rest->data.size()));
    uv_write(&rest->request, stream(c.socket), &part, 1, [](uv_write_t* w, int) {
        auto* done = static_cast<queued_write*>(w->data);
        connection& of = *done->of;
        delete done;
        if (of.owner->once) {
            drop(of);
        }
    });
}

void on_read(uv_stream_t* from, ssize_t n, const uv_buf_t* buffer) {
    connection& c = *static_cast<connection*>(from->data);
    const service& s = *c.owner;
    if (n < 0) {
        drop(c);
        return;
    }
    begin_operation(c);
    if (n == 0 || s.sink) {
        return;
    }
    if (s.source) {
        std::memcpy(&c.remain, buffer->base, sizeof c.remain);
        pour(c);
        return;
    }
    answer(c, buffer->base, static_cast<std::size_t>(n));
}
void hand_out(uv_handle_t* h, std::size_t /*unused*/, uv_buf_t* buffer) {
    std::vector<char>& all = static_cast<connection*>(h->data)->owner->buffer;
    *buffer = uv_buf_init(all.data(), static_cast<unsigned>(all.size()));
}
void on_connection(uv_stream_t* door, int /*unused*/) {
    service& s = *static_cast<service*>(door->data);
    auto* c = new connection{};
    c->owner = &s;
    uv_tcp_init(&s.loop, &c->socket);
    c->socket.data = c;
    if (uv_accept(door, stream(c->socket)) != 0) {
        drop(*c);
        return;
    }
    if (s.deadline != 0) {
        c->timer = new uv_timer_t;
        uv_timer_init(&s.loop, c->timer);
        c->timer->data = c;
        begin_operation(*c);
        uv_timer_start(c->timer, on_limit, s.deadline, 0);
    }
    uv_read_start(stream(c->socket), hand_out, on_read);
}

}  // namespace

void serve(const arguments& a, result& /*unused*/) {
    const std::string kind = a.text("kind", "echo");
    service s{};
    s.sink = kind == "sink";
    s.source = kind == "source";
    s.once = kind == "once";
    s.buffer.resize(static_cast<std::size_t>(a.number("chunk", 1024)));
    s.data.assign(s.buffer.size(), 'y');
    s.exit_after = a.number("exit_after", 0);
    s.deadline = static_cast<std::uint64_t>(a.number("deadline_ms", 0));
    check(uv_loop_init(&s.loop), "uv_loop_init");
    uv_tcp_init(&s.loop, &s.door);
    s.door.data = &s;
    check(uv_tcp_open(&s.door, listen_and_announce(true)), "uv_tcp_open");
    check(uv_listen(stream(s.door), 4096, on_connection), "uv_listen");
    if (a.number("spin", 0) == 0) {
        uv_run(&s.loop, UV_RUN_DEFAULT);
    }
    while (!s.over) {
        uv_run(&s.loop, UV_RUN_NOWAIT);
    }
}

}  // namespace bench::with_libuv
