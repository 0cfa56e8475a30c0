// SPDX-License-Identifier: BSL-1.0
// The driver over Boost.Asio: callbacks, a timer for each deadline, a cancellation signal for each
// step. The one file that includes it.
#include <boost/asio.hpp>

#include "driver.hpp"
#include "support/raw_peer.hpp"

#include <array>
#include <cstring>
#include <map>
#include <utility>

namespace thole::conformance {
namespace {

namespace asio = boost::asio;
using asio_tcp = asio::ip::tcp;
using boost_code = boost::system::error_code;

std::string word(const boost_code& error) {
    if (!error) return "ok";
    if (error == asio::error::eof) return "end_of_stream";
    if (error == asio::error::shut_down) return "shut_down";
    const auto meaning = error.default_error_condition();
    if (meaning.category() == boost::system::generic_category()) {
        return word_of(static_cast<std::errc>(meaning.value()));
    }
    return std::string(error.category().name()) + "_" + std::to_string(error.value());
}

asio_tcp::endpoint to_asio(const endpoint& name) {
    if (name.family() == address_family::ipv6) {
        asio::ip::address_v6::bytes_type bytes;
        std::memcpy(bytes.data(), name.bytes().data(), bytes.size());
        return {asio::ip::address_v6(bytes, name.scope()), name.port()};
    }
    asio::ip::address_v4::bytes_type bytes;
    std::memcpy(bytes.data(), name.bytes().data(), bytes.size());
    return {asio::ip::address_v4(bytes), name.port()};
}

endpoint from_asio(const asio_tcp::endpoint& name) {
    if (name.address().is_v6()) {
        endpoint::ipv6_bytes bytes;
        const auto theirs = name.address().to_v6();
        std::memcpy(bytes.data(), theirs.to_bytes().data(), bytes.size());
        return {bytes, name.port(), static_cast<std::uint32_t>(theirs.scope_id())};
    }
    endpoint::ipv4_bytes bytes;
    std::memcpy(bytes.data(), name.address().to_v4().to_bytes().data(), bytes.size());
    return {bytes, name.port()};
}

// What belongs to one step while it is pending: the handlers keep it alive.
struct ticket {
    ticket(asio::io_context& on, step& of) : one(of), timer(on) {}

    step& one;
    asio::steady_timer timer;
    asio::cancellation_signal signal;
    bool late = false;
};

class asio_driver final : public driver {
    using shared = std::shared_ptr<ticket>;

    // Its deadline starts before the call is made.
    shared begin(step& one) {
        auto now = std::make_shared<ticket>(on_, one);
        one.cancel = [at = now.get()] { at->signal.emit(asio::cancellation_type::terminal); };
        if (one.with.limit) {
            now->timer.expires_after(*one.with.limit);
            now->timer.async_wait([now](boost_code stopped) {
                if (!stopped && now->one.pending()) {
                    now->late = true;
                    now->signal.emit(asio::cancellation_type::terminal);
                }
            });
        }
        return now;
    }

    auto when_done(const shared& now) {
        return asio::bind_cancellation_slot(
            now->signal.slot(),
            [this, now](boost_code failed, std::size_t count = 0) { finish(*now, failed, count); });
    }

    void finish(ticket& now, const boost_code& failed, std::size_t count) {
        now.timer.cancel();
        const bool late = now.late && failed == asio::error::operation_aborted;
        ended(now.one, late ? "deadline" : word(failed), count);
    }

public:
    std::string listen(int door, const endpoint& where) override {
        const asio_tcp::endpoint name = to_asio(where);
        asio_tcp::acceptor made(on_);
        boost_code failed;
        made.open(name.protocol(), failed);
        // On Windows the option means something else: to take a port over from its owner.
        if (!failed && !test::raw::is_windows()) {
            made.set_option(asio_tcp::acceptor::reuse_address(true), failed);
        }
        if (!failed && where.family() == address_family::ipv6) {
            made.set_option(asio::ip::v6_only(true), failed);
        }
        if (!failed) made.bind(name, failed);
        if (!failed) made.listen(asio_tcp::acceptor::max_listen_connections, failed);
        if (!failed) door_at(door) = std::move(made);
        return word(failed);
    }

    void connect(int socket, const endpoint& target, step& one) override {
        asio_tcp::socket& at = socket_at(socket);
        const auto now = begin(one);
        boost_code failed;
        if (one.with.from) {
            const asio_tcp::endpoint local = to_asio(one.with.from);
            at.open(local.protocol(), failed);
            if (!failed) at.bind(local, failed);
        }
        if (failed) {
            asio::post(on_, [this, now, failed] { finish(*now, failed, 0); });
            return;
        }
        at.async_connect(to_asio(target), when_done(now));
    }

    void accept(int door, int socket, step& one) override {
        const auto now = begin(one);
        door_at(door).async_accept(asio::bind_cancellation_slot(
            now->signal.slot(), [this, now, socket](boost_code failed, asio_tcp::socket made) {
                if (!failed) socket_at(socket) = std::move(made);
                finish(*now, failed, 0);
            }));
    }

    void read(int socket, step& one) override {
        const auto buffers = pieces<asio::mutable_buffer>(one);
        const auto now = begin(one);
        if (one.with.exactly) {
            asio::async_read(socket_at(socket), buffers, when_done(now));
        } else {
            socket_at(socket).async_read_some(buffers, when_done(now));
        }
    }

    void write(int socket, step& one) override {
        const auto buffers = pieces<asio::const_buffer>(one);
        const auto now = begin(one);
        if (one.with.some) {
            socket_at(socket).async_write_some(buffers, when_done(now));
        } else {
            asio::async_write(socket_at(socket), buffers, when_done(now));
        }
    }

    std::string shutdown_write(int socket) override {
        boost_code failed;
        socket_at(socket).shutdown(asio_tcp::socket::shutdown_send, failed);
        return word(failed);
    }

    void close(int socket_or_door) override {
        boost_code ignored;
        socket_at(socket_or_door).close(ignored);
        door_at(socket_or_door).close(ignored);
    }
    void abort(int socket) override {
        boost_code ignored;
        socket_at(socket).set_option(asio_tcp::socket::linger(true, 0), ignored);
        socket_at(socket).close(ignored);
    }

    endpoint local(int socket_or_door) override {
        boost_code failed;
        const auto name = door_at(socket_or_door).is_open()
                              ? door_at(socket_or_door).local_endpoint(failed)
                              : socket_at(socket_or_door).local_endpoint(failed);
        return failed ? endpoint() : from_asio(name);
    }
    endpoint peer(int socket) override {
        boost_code failed;
        const auto name = socket_at(socket).remote_endpoint(failed);
        return failed ? endpoint() : from_asio(name);
    }

    bool turn(std::chrono::milliseconds at_most) override {
        return (at_most.count() == 0 ? on_.poll() : on_.run_one_for(at_most)) != 0;
    }

private:
    template <class Buffer>
    static std::array<Buffer, 2> pieces(step& one) {
        const std::size_t first = one.with.split == 0 ? one.bytes.size() : one.with.split;
        return {Buffer(one.bytes.data(), first),
                Buffer(one.bytes.data() + first, one.bytes.size() - first)};
    }

    asio_tcp::socket& socket_at(int number) {
        return sockets_.try_emplace(number, on_).first->second;
    }
    asio_tcp::acceptor& door_at(int number) {
        return doors_.try_emplace(number, on_).first->second;
    }

    asio::io_context on_{1};
    asio::executor_work_guard<asio::io_context::executor_type> stays_{on_.get_executor()};
    std::map<int, asio_tcp::socket> sockets_;
    std::map<int, asio_tcp::acceptor> doors_;
};

}  // namespace

std::unique_ptr<driver> make_asio_driver() { return std::make_unique<asio_driver>(); }

}  // namespace thole::conformance
