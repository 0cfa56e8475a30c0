// SPDX-License-Identifier: BSL-1.0
#include <uv.h>

char buffer[1024];

void on_read(uv_stream_t* from, ssize_t n, const uv_buf_t* data) {
    uv_buf_t answer = uv_buf_init(data->base, static_cast<unsigned>(n));
    if (n < 0 || uv_try_write(from, &answer, 1) < 0) {
        uv_close(reinterpret_cast<uv_handle_t*>(from),
                 [](uv_handle_t* h) { delete reinterpret_cast<uv_tcp_t*>(h); });
    }
}

void on_connection(uv_stream_t* door, int) {
    auto* peer = new uv_tcp_t;
    uv_tcp_init(door->loop, peer);
    auto* as_stream = reinterpret_cast<uv_stream_t*>(peer);
    uv_accept(door, as_stream);
    uv_read_start(
        as_stream,
        [](uv_handle_t*, size_t, uv_buf_t* b) { *b = uv_buf_init(buffer, sizeof buffer); },
        on_read);
}

int main() {
    uv_loop_t* loop = uv_default_loop();
    uv_tcp_t door;
    sockaddr_in where;
    uv_ip4_addr("127.0.0.1", 0, &where);
    uv_tcp_init(loop, &door);
    uv_tcp_bind(&door, reinterpret_cast<const sockaddr*>(&where), 0);
    uv_listen(reinterpret_cast<uv_stream_t*>(&door), 128, on_connection);
    uv_run(loop, UV_RUN_DEFAULT);
}
