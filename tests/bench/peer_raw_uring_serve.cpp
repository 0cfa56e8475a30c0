// SPDX-License-Identifier: BSL-1.0
// An answer is sent with MSG_DONTWAIT and MSG_WAITALL: the kernel either sends all of it while
// the entry is submitted, and then says nothing (CQE_SKIP_SUCCESS), or says at once how much it
// sent. So after one enter every answer before it is decided, its buffer can be given back, and
// no completion of a send ends a wait.
#include <vector>

#include "peer_raw_uring.hpp"
#include "wheel.hpp"

namespace bench::raw_uring {
namespace {

constexpr unsigned files = 18'000;
constexpr unsigned poured_at_once = 16;

struct piece {
    std::uint32_t fd, length;
    unsigned buffer;
};

struct connection {
    std::uint64_t turn = 0;    // in which its last answer was made
    bool blocked = false;      // the rest of an answer is with the kernel
    std::vector<piece> later;  // what came while an answer was not decided
};

class server {
public:
    explicit server(const arguments& a)
        : chunk_(static_cast<std::size_t>(a.number("chunk", 1024))),
          sink_(a.text("kind", "echo") == "sink"), source_(a.text("kind", "echo") == "source"),
          once_(a.text("kind", "echo") == "once"), exit_after_(a.number("exit_after", 0)),
          deadline_(static_cast<std::uint64_t>(a.number("deadline_ms", 0))),
          spin_(static_cast<std::uint64_t>(a.number("spin", 0)) * 1000) {
        all_.resize(source_ || sink_ ? 64 : files);
        limits_ = static_cast<wheel_timer*>(std::calloc(files, sizeof *limits_));
        ring_.sparse_files(files);
        ring_.provide_buffers(sink_ ? 64 : 1024, chunk_);
        if (source_) {
            data_.assign(chunk_, 'y');
        }
        accept_all();
    }
    void run() {
        while (exit_after_ == 0 || closed_ < exit_after_) {
            ring_.publish_buffers();
            const int until = deadline_ != 0 ? wheel_.next_ms() : -1;
            if (more_) {
                ring_.submit_and_look();
            } else if (spin_ != 0) {
                ring_.submit_and_spin(spin_, until);
            } else {
                ring_.submit_and_wait(until);
            }
            if (deadline_ != 0) {
                now_ = now_ns() / 1'000'000;
            }
            ring_.completions([&](tag t, int result, unsigned flags) { on(t, result, flags); });
            end_turn();
            if (deadline_ != 0) {
                wheel_.advance(now_, [&](wheel_timer& t) { on_limit(t); });
            }
        }
    }

private:
    void on(tag t, int result, unsigned flags) {
        switch (t.what) {
        case kind::accept:
            if (result >= 0) {
                begin(static_cast<std::uint32_t>(result));
            }
            if ((flags & IORING_CQE_F_MORE) == 0) {
                accept_all();
            }
            break;
        case kind::receive:
            on_received(t.fd, result, flags);
            break;
        case kind::answer:
            on_unsent(t.fd, result);
            break;
        case kind::rest:
            all_[t.fd].blocked = false;
            ring_.give_back(rest_[t.fd].buffer);
            if (once_) {
                close_file(t.fd);
            } else {
                next_answer(t.fd);
            }
            break;
        case kind::pour:
            if (result > 0) {
                pour(t.fd);
            }
            break;
        default:
            break;
        }
    }
    void accept_all() {
        io_uring_sqe* s = ring_.entry();
        io_uring_prep_multishot_accept_direct(s, door_, nullptr, nullptr, 0);
        s->user_data = tag::pack(kind::accept, 0);
    }
    void begin(std::uint32_t fd) {
        receive(fd);
        if (deadline_ != 0) {
            wheel_.arm(limits_[fd], now_ + deadline_ + 1);
        }
    }
    // A multishot receive would hold a connection open that this end closes.
    void receive(std::uint32_t fd) {
        if (once_) {
            ring_.receive_once(fd);
        } else {
            ring_.receive_all(fd);
        }
    }
    void on_received(std::uint32_t fd, int result, unsigned flags) {
        const unsigned buffer = flags >> IORING_CQE_BUFFER_SHIFT;
        if (result <= 0) {
            if ((flags & IORING_CQE_F_BUFFER) != 0) {
                ring_.give_back(buffer);
            }
            if (result == -ENOBUFS) {
                hungry_.push_back(fd);
            } else {
                drop(fd);
            }
            return;
        }
        begin_operation(fd);
        const piece got{fd, static_cast<std::uint32_t>(result), buffer};
        if (once_) {
            answer_and_drop(got);
            return;
        }
        if (sink_) {
            ring_.give_back(buffer);
        } else if (source_) {
            std::memcpy(&remain_, ring_.buffer(buffer), sizeof remain_);
            ring_.give_back(buffer);
            pour(fd);
        } else if (const connection& c = all_[fd];
                   c.turn == turn_ || c.blocked || !c.later.empty()) {
            all_[fd].later.push_back(got);
        } else {
            answer(got);
        }
        if ((flags & IORING_CQE_F_MORE) == 0) {
            ring_.receive_all(fd);
        }
    }
    io_uring_sqe* send_entry(const piece& p, std::uint32_t from, int flags, kind what) {
        io_uring_sqe* s = ring_.entry();
        io_uring_prep_send(s, static_cast<int>(p.fd), ring_.buffer(p.buffer) + from,
                           p.length - from, MSG_NOSIGNAL | MSG_WAITALL | flags);
        s->flags |= IOSQE_FIXED_FILE;
        s->user_data = tag::pack(what, p.fd);
        return s;
    }
    void answer(const piece& p) {
        all_[p.fd].turn = turn_;
        send_entry(p, 0, MSG_DONTWAIT, kind::answer)->flags |= IOSQE_CQE_SKIP_SUCCESS;
        answers_.push_back(p);
    }
    // The close goes with the answer; one that could not be sent whole breaks the link.
    void answer_and_drop(const piece& p) {
        ring_.room_for(2);
        send_entry(p, 0, MSG_DONTWAIT, kind::answer)->flags |=
            IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK;
        answers_.push_back(p);
        drop(p.fd);
    }
    // The answers of the turn before are decided: what is still listed was sent whole. (What was
    // not stood in the completions before anything that came while the ring waited.)
    void end_turn() {
        ++turn_;
        for (const piece& p : decided_) {
            if (p.length != 0) {
                ring_.give_back(p.buffer);
                next_answer(p.fd);
            }
        }
        decided_.swap(answers_);
        more_ = std::any_of(decided_.begin(), decided_.end(),
                            [&](const piece& p) { return !all_[p.fd].later.empty(); });
        answers_.clear();
        for (const std::uint32_t fd : hungry_) {
            receive(fd);
        }
        hungry_.clear();
    }
    void on_unsent(std::uint32_t fd, int result) {
        for (std::vector<piece>* list : {&answers_, &decided_}) {
            for (piece& p : *list) {
                if (p.fd == fd && p.length != 0) {
                    const std::uint32_t sent = result > 0 ? static_cast<std::uint32_t>(result) : 0;
                    rest_.resize(std::max<std::size_t>(rest_.size(), fd + 1));
                    rest_[fd] = p;
                    all_[fd].blocked = true;
                    send_entry(p, sent, 0, kind::rest);
                    p.length = 0;
                    return;
                }
            }
        }
    }
    void next_answer(std::uint32_t fd) {
        std::vector<piece>& later = all_[fd].later;
        if (!later.empty() && !all_[fd].blocked && all_[fd].turn != turn_) {
            const piece next = later.front();
            later.erase(later.begin());
            answer(next);
        }
    }
    // Several sends a turn, one after the other by their links; the last one says so.
    void pour(std::uint32_t fd) {
        if (remain_ == 0) {
            drop(fd);
            return;
        }
        ring_.room_for(poured_at_once);
        for (unsigned i = 1; i <= poured_at_once; ++i) {
            const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(remain_, chunk_));
            remain_ -= most;
            const bool last = remain_ == 0 || i == poured_at_once;
            io_uring_sqe* s = ring_.entry();
            io_uring_prep_send(s, static_cast<int>(fd), data_.data(), most,
                               MSG_NOSIGNAL | MSG_WAITALL);
            s->flags |= IOSQE_FIXED_FILE;
            if (!last) {
                s->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
            }
            s->user_data = tag::pack(last ? kind::pour : kind::close, fd);
            if (last) {
                return;
            }
        }
    }
    void drop(std::uint32_t fd) {
        if (deadline_ != 0) {
            wheel_.cancel(limits_[fd]);
        }
        for (const piece& p : all_[fd].later) {
            ring_.give_back(p.buffer);
        }
        all_[fd].later.clear();
        close_file(fd);
        ++closed_;
    }
    void close_file(std::uint32_t fd) {
        io_uring_sqe* s = ring_.entry();
        io_uring_prep_close_direct(s, fd);
        s->flags |= IOSQE_CQE_SKIP_SUCCESS;
        s->user_data = tag::pack(kind::close, fd);
    }
    // A deadline that moves to later is one word; the wheel learns of it when the old one is due.
    void begin_operation(std::uint32_t fd) {
        if (deadline_ != 0) {
            limits_[fd].due = now_ + deadline_ + 1;
        }
    }
    void on_limit(wheel_timer& t) {
        if (t.due > now_) {
            wheel_.arm(t, t.due);
            return;
        }
        io_uring_sqe* s = ring_.entry();  // its receive then ends
        io_uring_prep_shutdown(s, static_cast<int>(&t - limits_), SHUT_RDWR);
        s->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
        s->user_data = tag::pack(kind::close, 0);
    }

    std::size_t chunk_;
    bool sink_, source_, once_;
    long exit_after_, closed_ = 0;
    std::uint64_t turn_ = 1;
    bool more_ = false;  // is to be sent as soon as what was submitted is decided
    std::uint64_t deadline_, spin_, now_ = now_ns() / 1'000'000;
    std::uint64_t remain_ = 0;  // source: one connection
    std::vector<char> data_;
    std::vector<connection> all_;
    std::vector<piece> answers_, decided_;  // of this turn; of the turn before
    std::vector<piece> rest_;               // by connection
    std::vector<std::uint32_t> hungry_;     // they found no buffer
    wheel_timer* limits_;
    wheel wheel_{now_};
    int door_ = listen_and_announce(false);
    ring ring_;
};

}  // namespace

void serve(const arguments& a, result& /*unused*/) { server(a).run(); }

}  // namespace bench::raw_uring
