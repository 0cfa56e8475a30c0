// SPDX-License-Identifier: BSL-1.0
// Clients that were accepted and have not spoken yet: a bounded line of receives, which hold no
// buffer while they wait.
#include <thole/first_data.hpp>

#include <new>

#include "core/error_table.hpp"
#include "core/handles.hpp"

namespace thole {
namespace detail {

// It belongs to its first_data_listener, and after that one's end to the last of its operations.
class first_data_line {
public:
    first_data_line(loop_core& core, tcp::listener&& door,
                    const tcp::first_data_options& options) noexcept
        : core_(core), door_(std::move(door)), options_(options) {
        next_.of = this;
    }
    first_data_line(const first_data_line&) = delete;
    first_data_line& operator=(const first_data_line&) = delete;

    static const local_methods methods;

    [[nodiscard]] loop_core* core() noexcept { return &core_; }
    [[nodiscard]] const tcp::listener& door() const noexcept { return door_; }
    [[nodiscard]] tcp::first_data_counters counters() const noexcept {
        tcp::first_data_counters now = counts_;
        now.waiting = silent_.size;
        now.ready = ready_.size;
        return now;
    }
    void cancel() noexcept;
    void close() noexcept;

private:
    struct next_client : tcp::accept_op {
        first_data_line* of = nullptr;
    };
    struct client : tcp::receive_op {
        explicit client(first_data_line& its) noexcept : of(its) {}
        [[nodiscard]] std::error_code ending() const noexcept { return outcome(); }
        first_data_line& of;
        tcp::socket socket;
        client* later = nullptr;
        client* earlier = nullptr;
        bool given_up = false;
    };
    // In the order of their coming.
    struct client_list {
        client* first = nullptr;
        client* last = nullptr;
        std::size_t size = 0;

        void push(client& one) noexcept;
        void remove(client& one) noexcept;
    };

    ~first_data_line();

    static bool start(local_operation& op) noexcept;
    static bool give_up(local_operation& op) noexcept;
    static void came(runnable& self, turn how);
    static void spoke(runnable& self, turn how);

    [[nodiscard]] bool ends_with(turn how) noexcept;
    void ask_for_more() noexcept;
    void ask_no_more() noexcept;
    void welcome(tcp::socket&& made) noexcept;
    void heard(client& from) noexcept;
    void hand_out() noexcept;
    void hand_out(tcp::accept_first_data_op& to) noexcept;

    loop_core& core_;
    tcp::listener door_;
    const tcp::first_data_options options_;
    tcp::first_data_counters counts_;
    wait_list waiting_;
    next_client next_;
    client_list silent_;
    client_list ready_;
    std::size_t busy_ = 0;  // operations of its own that have not come back
    bool closed_ = false;
};

constexpr local_methods first_data_line::methods{&start, &give_up};

void first_data_line::client_list::push(client& one) noexcept {
    one.later = nullptr;
    one.earlier = last;
    (last != nullptr ? last->later : first) = &one;
    last = &one;
    ++size;
}

void first_data_line::client_list::remove(client& one) noexcept {
    (one.earlier != nullptr ? one.earlier->later : first) = one.later;
    (one.later != nullptr ? one.later->earlier : last) = one.earlier;
    --size;
}

first_data_line::~first_data_line() {
    for (client_list* list : {&silent_, &ready_}) {
        while (client* one = list->first) {
            list->remove(*one);
            delete one;
        }
    }
}

// ---- Who waits for a client.

bool first_data_line::start(local_operation& op) noexcept {
    auto& asking = static_cast<tcp::accept_first_data_op&>(op);
    first_data_line* on = asking.on_;
    if (on == nullptr) {
        settle_own(op, errc::closed);
        return true;
    }
    if (on->ready_.size > 0) {
        on->hand_out(asking);
        return true;
    }
    if (!on->waiting_.enter(asking)) {
        return true;
    }
    on->ask_for_more();
    return false;
}

bool first_data_line::give_up(local_operation& op) noexcept {
    auto& asking = static_cast<tcp::accept_first_data_op&>(op);
    const bool left = tcp::accept_first_data_op::leave(op);
    asking.on_->ask_no_more();
    return left;
}

void first_data_line::cancel() noexcept {
    while (waiting_operation* op = waiting_.front()) {
        core_.cancel(*op, reason::cancelled);
    }
}

void first_data_line::hand_out(tcp::accept_first_data_op& to) noexcept {
    client& from = *ready_.first;
    ready_.remove(from);
    to.got_.socket = std::move(from.socket);
    if (auto data = from.take()) {
        to.got_.data = std::move(*data);
    }
    delete &from;
    settle_done(to);
}

void first_data_line::hand_out() noexcept {
    while (ready_.size > 0 && !waiting_.empty()) {
        auto& to = static_cast<tcp::accept_first_data_op&>(*waiting_.front());
        hand_out(to);
        waiting_.finish(to);
    }
    ask_no_more();
}

// ---- Who comes.

void first_data_line::ask_for_more() noexcept {
    if (closed_ || next_.pending() || waiting_.empty()) {
        return;
    }
    ++busy_;
    next_.prepare(door_);
    next_.act = &came;
    begin_callback_accept(next_);
}

// Where nobody waits nothing keeps the loop running; a cancelled accept loses no client.
void first_data_line::ask_no_more() noexcept {
    if (waiting_.empty()) {
        next_.cancel();
    }
}

// The loop ends, or the listener is closed: nothing more is to be done. The last of a closed one
// takes it with it.
bool first_data_line::ends_with(turn how) noexcept {
    --busy_;
    const bool over = closed_ || how == turn::discard;
    if (closed_ && busy_ == 0) {
        delete this;
    }
    return over;
}

void first_data_line::came(runnable& self, turn how) {
    auto& op = static_cast<next_client&>(self);
    op.at = stage::dispatched;
    first_data_line& line = *op.of;
    result<tcp::socket> made = op.take();
    if (line.ends_with(how)) {
        return;
    }
    if (made) {
        line.welcome(std::move(*made));
    } else if (made.error() != errc::cancelled && !line.waiting_.empty()) {
        waiting_operation& first = *line.waiting_.front();
        settle_code(first, made.error());
        line.waiting_.finish(first);
    }
    line.ask_for_more();
}

// G6: who has been silent longest makes room, so that silent clients never keep others out.
void first_data_line::welcome(tcp::socket&& made) noexcept {
    client* one = new (std::nothrow) client(*this);
    if (one == nullptr) {
        made.abort();
        ++counts_.crowded;
        return;
    }
    if (silent_.size == options_.most_silent) {
        client& oldest = *silent_.first;
        silent_.remove(oldest);
        oldest.given_up = true;
        oldest.socket.abort();  // which ends its receive
        ++counts_.crowded;
    }
    one->socket = std::move(made);
    silent_.push(*one);
    ++busy_;
    one->prepare(one->socket, within(options_.silent_limit));
    one->act = &spoke;
    begin_callback_receive(*one);
}

void first_data_line::spoke(runnable& self, turn how) {
    auto& from = static_cast<client&>(self);
    from.at = stage::dispatched;
    first_data_line& line = from.of;
    if (from.given_up) {
        delete &from;
        static_cast<void>(line.ends_with(how));
    } else if (!line.ends_with(how)) {
        line.heard(from);
    }
}

void first_data_line::heard(client& from) noexcept {
    silent_.remove(from);
    const std::error_code error = from.ending();
    if (!error || error == errc::end_of_stream) {
        ready_.push(from);
        hand_out();
        return;
    }
    ++(error == errc::deadline_reached ? counts_.silent : counts_.failed);
    from.socket.abort();
    delete &from;
}

void first_data_line::close() noexcept {
    closed_ = true;
    waiting_.close();
    door_.close();
    for (client* one = silent_.first; one != nullptr; one = one->later) {
        one->socket.abort();
    }
    for (client* one = ready_.first; one != nullptr; one = one->later) {
        one->socket.abort();
    }
    if (busy_ == 0) {
        delete this;
    }
}

}  // namespace detail

namespace tcp {

accept_first_data_op::accept_first_data_op() noexcept
    : waiting_operation(detail::first_data_line::methods) {}

void accept_first_data_op::prepare(first_data_listener& on, deadline until) noexcept {
    on_ = on.line_;
    got_ = {};
    reset(verb::accept_first_data, on_ != nullptr ? on_->core() : nullptr, until);
}

result<greeted_client> accept_first_data_op::take() noexcept {
    if (const std::error_code failed = outcome()) {
        return unexpected(failed);
    }
    return std::move(got_);
}

result<first_data_listener> first_data_listener::open(loop& on, const endpoint& where,
                                                      first_data_options options) noexcept {
    if (options.silent_limit <= std::chrono::milliseconds(0) || options.most_silent == 0) {
        return unexpected(std::errc::invalid_argument);
    }
    auto door = listener::open(on, where, options.listening);
    if (!door) {
        return unexpected(door.error());
    }
    auto* line = new (std::nothrow) detail::first_data_line(*on.core(), std::move(*door), options);
    if (line == nullptr) {
        return unexpected(std::errc::not_enough_memory);
    }
    return first_data_listener(line);
}

void first_data_listener::cancel() noexcept {
    if (line_ != nullptr) {
        line_->cancel();
    }
}

void first_data_listener::close() noexcept {
    if (detail::first_data_line* line = std::exchange(line_, nullptr)) {
        line->close();
    }
}

result<endpoint> first_data_listener::local() const noexcept {
    if (line_ == nullptr) {
        return unexpected(errc::closed);
    }
    return line_->door().local();
}

first_data_counters first_data_listener::counters() const noexcept {
    return line_ != nullptr ? line_->counters() : first_data_counters{};
}

}  // namespace tcp
}  // namespace thole
