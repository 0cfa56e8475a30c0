// SPDX-License-Identifier: BSL-1.0
// The driver over thole: callbacks, on any backend.
#include "driver.hpp"

#include <thole/thole.hpp>

#include <array>
#include <map>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace thole::conformance {
namespace {

using namespace std::chrono_literals;

std::string word(const std::error_code& error) {
    if (!error) return "ok";
    if (error == errc::end_of_stream) return "end_of_stream";
    if (error == errc::deadline_reached) return "deadline";
    const std::error_condition meaning = error.default_error_condition();
    if (meaning.category() == std::generic_category()) {
        return word_of(static_cast<std::errc>(meaning.value()));
    }
    return std::string(symbol(error));
}

deadline until(const step& one) { return one.with.limit ? within(*one.with.limit) : never; }

// What must live until a step has ended.
struct pending_step {
    pending_step() = default;
    pending_step(const pending_step&) = delete;
    pending_step& operator=(const pending_step&) = delete;
    virtual ~pending_step() = default;
};

template <class Op>
struct pending : pending_step {
    using finish = std::function<void(typename Op::result_type)>;
    explicit pending(finish then) : op(std::move(then)) {}

    callback<Op, finish> op;
};

template <class Op>
struct transferring : pending<Op> {
    using pending<Op>::pending;
    using piece = typename Op::buffer_type;

    // The bytes of the step as one buffer, or as two.
    void start(tcp::socket& on, step& one) {
        const auto bytes = std::as_writable_bytes(std::span(one.bytes));
        if (one.with.split == 0) {
            this->op.start(on, piece(bytes), until(one));
        } else {
            pieces = {piece(bytes.first(one.with.split)), piece(bytes.subspan(one.with.split))};
            this->op.start(on, std::span<const piece>(pieces), until(one));
        }
    }

    std::array<piece, 2> pieces;
};

class thole_driver final : public driver {
public:
    explicit thole_driver(backend_kind kind) : simulated_(kind == backend_kind::sim) {
        loop_.emplace(loop_options{kind});
        if (!*loop_) throw std::runtime_error(loop_->backend().reason);
    }
    ~thole_driver() override {
        loop_.reset();  // takes every pending operation back; only then may they go
    }

    std::string listen(int door, const endpoint& where) override {
        auto made = tcp::listener::open(*loop_, where);
        if (made) doors_[door] = std::move(*made);
        return word(made.error());
    }

    void connect(int socket, const endpoint& target, step& one) override {
        start<pending<tcp::connect_op>>(one, socket, [&](auto& now) {
            tcp::connect_options options;
            options.local = one.with.from;
            now.op.start(*loop_, target, options, until(one));
        });
    }

    void accept(int door, int socket, step& one) override {
        start<pending<tcp::accept_op>>(one, socket,
                                       [&](auto& now) { now.op.start(doors_[door], until(one)); });
    }

    void read(int socket, step& one) override {
        const auto begin = [&](auto& now) { now.start(sockets_[socket], one); };
        if (one.with.exactly) {
            start<transferring<tcp::read_exactly_op>>(one, socket, begin);
        } else {
            start<transferring<tcp::read_op>>(one, socket, begin);
        }
    }

    void write(int socket, step& one) override {
        const auto begin = [&](auto& now) { now.start(sockets_[socket], one); };
        if (one.with.some) {
            start<transferring<tcp::write_some_op>>(one, socket, begin);
        } else {
            start<transferring<tcp::write_op>>(one, socket, begin);
        }
    }

    std::string shutdown_write(int socket) override {
        return word(sockets_[socket].shutdown_write().error());
    }
    void close(int socket_or_door) override {
        sockets_[socket_or_door].close();
        doors_[socket_or_door].close();
    }
    void abort(int socket) override { sockets_[socket].abort(); }

    endpoint local(int socket_or_door) override {
        const auto door = doors_.find(socket_or_door);
        const auto name = door != doors_.end() && door->second.is_open()
                              ? door->second.local()
                              : sockets_[socket_or_door].local();
        return name ? *name : endpoint();
    }
    endpoint peer(int socket) override {
        const auto name = sockets_[socket].peer();
        return name ? *name : endpoint();
    }

    bool turn(std::chrono::milliseconds at_most) override {
        if (simulated_) at_most = 1ms;  // of virtual time: it must pass for anything to happen
        const auto ran = at_most == 0ms ? loop_->poll() : loop_->run_for(at_most);
        if (!ran) throw std::runtime_error("the loop failed: " + ran.error().message());
        return *ran != 0;
    }

private:
    template <class Pending, class Begin>
    void start(step& one, int socket, Begin begin) {
        auto made = std::make_unique<Pending>(
            [this, &one, socket](auto outcome) { this->finish(one, socket, std::move(outcome)); });
        one.cancel = [op = &made->op] { op->cancel(); };
        Pending& now = *made;
        steps_.push_back(std::move(made));
        begin(now);
    }

    void finish(step& one, int socket, result<tcp::socket> outcome) {
        if (outcome) sockets_[socket] = std::move(*outcome);
        ended(one, word(outcome.error()), 0);
    }
    void finish(step& one, int, result<std::size_t> outcome) {
        ended(one, word(outcome.error()), outcome ? *outcome : 0);
    }
    void finish(step& one, int, transfer outcome) {
        ended(one, word(outcome.error), outcome.count);
    }

    const bool simulated_;
    std::vector<std::unique_ptr<pending_step>> steps_;
    std::map<int, tcp::socket> sockets_;
    std::map<int, tcp::listener> doors_;
    std::optional<loop> loop_;
};

}  // namespace

std::unique_ptr<driver> make_thole_driver(std::string_view backend) {
    const auto kind = parse_backend(backend);
    if (!kind) throw std::runtime_error("no such backend: " + std::string(backend));
    return std::make_unique<thole_driver>(*kind);
}

}  // namespace thole::conformance
