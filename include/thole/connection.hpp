// SPDX-License-Identifier: BSL-1.0
/// \file
/// A connection of a server.
#pragma once

#include <cstddef>
#include <utility>

#include <thole/await.hpp>
#include <thole/deadline.hpp>
#include <thole/endpoint.hpp>
#include <thole/event.hpp>
#include <thole/result.hpp>
#include <thole/socket.hpp>

namespace thole {

namespace detail {
struct hosted;
}  // namespace detail

/// A connection of a server, for as long as its handler runs: handlers get a reference, and may
/// show it to others. Not movable. Loop's thread only.
///
/// **Idle or busy.** A drain lets the idle go and waits for the busy. A connection is idle while a
/// read(), receive(), peek(), wait_readable() or read_exactly() is pending on its socket that has
/// not got a byte yet, nothing waits to be sent, and nobody holds a busy mark. Else it is busy: it
/// computes, waits for something else, or sends. A handler whose requests may come in pieces, or
/// that reads on while it works on one, holds a mark from the first byte of a request until its
/// answer is sent; where a request is one read, nothing is to be done.
class connection {
public:
    /// While one lives, the connection is busy. Move-only; it must not outlive the handler.
    class busy_mark {
    public:
        busy_mark() noexcept = default;
        busy_mark(busy_mark&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
        busy_mark& operator=(busy_mark&& other) noexcept {
            if (this != &other) {
                release();
                of_ = std::exchange(other.of_, nullptr);
            }
            return *this;
        }
        ~busy_mark() { release(); }
        /// Ends it before its time. Again: nothing.
        void release() noexcept {
            if (connection* of = std::exchange(of_, nullptr)) {
                --of->busy_;
            }
        }

    private:
        friend class connection;
        explicit busy_mark(connection& of) noexcept : of_(&of) { ++of.busy_; }
        connection* of_ = nullptr;
    };

    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    /// The connection's socket. What is started on it without a deadline of its own ends with
    /// errc::deadline_reached after serve_options::idle (socket::default_times()). It may be
    /// moved away or closed: the server then has nothing to close, and counts it until the handler
    /// has ended.
    [[nodiscard]] tcp::socket& socket() noexcept { return socket_; }
    /// The peer's end, asked for once and kept. errc::closed; not_connected once a reset was seen.
    [[nodiscard]] THOLE_API result<endpoint> peer() noexcept;

    /// Copies `bytes` to what waits to be sent, and returns at once: they go out in order, one
    /// write at a time, with serve_options::idle for each. Not beside a write of the handler's own
    /// on the socket. If the peer is gone, or takes nothing for that time, the connection is reset,
    /// and its handler is cancelled.
    ///
    /// errc::limit_reached: with these, more than serve_options::most_unsent would wait; nothing
    /// of them was taken, so the stream stays whole, and they may be sent later (sent()), or the
    /// slow reader dropped. errc::operation_in_progress: a write of the handler's own is pending.
    /// errc::closed; not_enough_memory.
    THOLE_API result<void> send(tcp::const_bytes bytes) noexcept;
    /// How many bytes of send() the kernel has not taken yet. A write under way counts as a whole.
    [[nodiscard]] THOLE_API std::size_t unsent() const noexcept;
    /// Success once the kernel has taken everything, or the connection is lost, which the next call
    /// tells. Ends: errc::cancelled, errc::deadline_reached.
    [[nodiscard]] awaitable<wait_op> sent(deadline until = never) noexcept {
        return sent_.wait(until);
    }

    /// Busy for as long as the mark lives.
    [[nodiscard]] busy_mark busy() noexcept { return busy_mark(*this); }
    /// Idle as it is defined above.
    [[nodiscard]] THOLE_API bool is_idle() const noexcept;
    /// The server is being drained: a handler may say so in its answer ("Connection: close"), and
    /// end. One that goes on is let go when it is idle: its read ends with errc::cancelled.
    [[nodiscard]] THOLE_API bool draining() const noexcept;
    /// Gives the connection up at once: a reset on the wire, and the handler is cancelled. What
    /// waited to be sent is gone. For slow readers above all.
    THOLE_API void drop() noexcept;

protected:
    /// The library makes them.
    explicit connection(tcp::socket&& made) noexcept : socket_(std::move(made)) {}
    ~connection() = default;

private:
    friend struct detail::hosted;

    tcp::socket socket_;
    std::size_t busy_ = 0;
    event sent_{true};
    endpoint peer_;
};

}  // namespace thole
