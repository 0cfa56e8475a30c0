// SPDX-License-Identifier: BSL-1.0
#include "peer_asio.hpp"

namespace bench::with_asio {
namespace {

class session : public std::enable_shared_from_this<session> {
public:
    session(service& of, socket_type socket)
        : service_(of), socket_(std::move(socket)), buffer_(new char[of.chunk]),
          limit_(make_limit(of, socket_)) {}
    void read() {
        begin_operation();
        socket_.async_read_some(net::buffer(buffer_.get(), service_.chunk),
                                [self = shared_from_this()](error_code error, std::size_t n) {
                                    self->on_read(error, n);
                                });
    }

private:
    void begin_operation() {
        if (limit_) {
            limit_->begin();
        }
    }
    void gone() {
        if (limit_) {
            limit_->end();
        }
        service_.gone();
    }
    void on_read(error_code error, std::size_t n) {
        if (error) {
            gone();
        } else if (service_.kind == serving::sink) {
            read();
        } else if (service_.kind == serving::source) {
            std::memcpy(&remain_, buffer_.get(), sizeof remain_);
            pour();
        } else {
            answer(n);
        }
    }
    void answer(std::size_t n) {
        begin_operation();
        net::async_write(socket_, net::buffer(buffer_.get(), n),
                         [self = shared_from_this()](error_code error, std::size_t /*unused*/) {
                             if (error || self->service_.kind == serving::once) {
                                 self->gone();
                             } else {
                                 self->read();
                             }
                         });
    }
    void pour() {
        begin_operation();
        const auto most = std::min<std::uint64_t>(remain_, service_.chunk);
        net::async_write(socket_, net::buffer(service_.data.data(), static_cast<std::size_t>(most)),
                         [self = shared_from_this()](error_code error, std::size_t n) {
                             self->remain_ -= n;
                             if (error || self->remain_ == 0) {
                                 self->gone();
                             } else {
                                 self->pour();
                             }
                         });
    }

    service& service_;
    socket_type socket_;
    std::unique_ptr<char[]> buffer_;
    std::shared_ptr<limit> limit_;
    std::uint64_t remain_ = 0;
};

void accept_next(service& of) {
    of.door.async_accept([&of](error_code error, socket_type socket) {
        if (!error) {
            std::make_shared<session>(of, std::move(socket))->read();
        }
        accept_next(of);
    });
}

}  // namespace

void serve(const arguments& a, result& /*unused*/) {
    net::io_context on(one_thread);
    service s(on, a);
    accept_next(s);
    s.run();
}

}  // namespace bench::with_asio
