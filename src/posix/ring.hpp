// SPDX-License-Identifier: BSL-1.0
// An io_uring: made, filled, waited for. It knows nothing of sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/attributes.hpp"
#include "posix/address.hpp"
#include "posix/outcome.hpp"
#include "posix/sys.hpp"

namespace thole::detail {

// How much a ring holds at once. More is kept by its user (requests) and by the kernel
// (completions, R84).
struct ring_sizes {
    unsigned requests = 256;
    unsigned completions = 2048;
};
// Of rings made from now on; the tests' are small.
THOLE_INSIDE extern ring_sizes sizes_of_rings;

// What a request refers to besides the user's bytes. The kernel takes it over with the request
// (IORING_FEAT_SUBMIT_STABLE), so that a place in the ring has one, and no operation needs any.
struct attachment {
    msghdr message;
    iovec pieces[most_pieces];
    native_address address;
};

// What the kernel says of a request: io_uring_cqe.
struct completion {
    std::uint64_t word;   // the request's
    std::int32_t result;  // or, below 0, a code
    std::uint32_t flags;
};

class ring {
public:
    ring() noexcept = default;
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;
    ~ring() { close(); }

    // Makes it, not to be used before enable(). 0 or the system's code, and what is missing.
    [[nodiscard]] int open(std::string& reason) noexcept;
    // It belongs to this thread from now on (R95); 0 or a code.
    [[nodiscard]] int enable() noexcept;
    [[nodiscard]] bool enabled() const noexcept { return enabled_; }
    [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }
    void close() noexcept;
    // In a forked child: the descriptor goes, and nothing that is the parent's is touched (R100).
    void abandon() noexcept;

    // ---- Requests.

    // A place for a request, empty; null: there is none before the next send() or wait().
    [[nodiscard]] io_uring_sqe* next() noexcept {
        if (tail_ == limit_) {
            return nullptr;
        }
        io_uring_sqe* place = &requests_[tail_++ & mask_];
        *place = {};
        return place;
    }
    [[nodiscard]] attachment& attached(const io_uring_sqe& request) noexcept {
        return attachments_[&request - requests_];
    }
    [[nodiscard]] unsigned unsent() const noexcept { return tail_ - taken(); }
    // A mark in the order of requests, and whether the kernel has taken all before it.
    [[nodiscard]] unsigned mark() const noexcept { return tail_; }
    [[nodiscard]] bool has_taken(unsigned mark) const noexcept {
        return static_cast<int>(mark - taken()) <= 0;
    }
    // The request with this word, if it was not sent; or null.
    [[nodiscard]] io_uring_sqe* find_unsent(std::uint64_t word) noexcept {
        for (unsigned at = tail_, first = taken(); at != first; --at) {
            io_uring_sqe& place = requests_[(at - 1) & mask_];
            if (place.user_data == word) {
                return &place;
            }
        }
        return nullptr;
    }
    // Takes back the oldest request that was not sent; null: there is none. Only where nothing can
    // be sent any more.
    [[nodiscard]] const io_uring_sqe* take_back() noexcept;

    // ---- Asking the kernel. A negative code of the system, or how many it took: R83: that may be
    // fewer than there are, and the rest stays.

    // Without waiting. `looks`: what has finished meanwhile shall be seen.
    int send(bool looks) noexcept;
    // Until `least` have finished, for `time` nanoseconds at the most; negative: for ever.
    int wait(unsigned least, std::int64_t time) noexcept;

    // ---- Completions.

    [[nodiscard]] bool has_news() const noexcept {
        return *completion_head_ != load(completion_tail_);
    }
    // R84: the kernel keeps some that had no room.
    [[nodiscard]] bool overflowed() const noexcept {
        return (load(flags_) & IORING_SQ_CQ_OVERFLOW) != 0;
    }
    // From now on receives may choose among buffers of that ring (group 0); 0 or a code.
    [[nodiscard]] int share(io_uring_buf_ring* buffers, unsigned entries) noexcept;
    // From now on the kernel signals this eventfd of whatever is to be seen; 0 or a code.
    [[nodiscard]] int signal_to(int eventfd) noexcept;
    [[nodiscard]] bool tells() const noexcept { return tells_; }
    // Whether a send with MSG_DONTWAIT and MSG_WAITALL that moves a part says how much that was,
    // before the call that took the request returns.
    [[nodiscard]] bool tells_of_cut_sends() const noexcept { return tells_of_cut_sends_; }
    // False: to ask would bring nothing new.
    [[nodiscard]] bool should_ask() const noexcept {
        return !tells_ || (load(flags_) & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
    }
    // Each that is there, the oldest first. `each` may make requests.
    template <class Each>
    void reap(Each&& each) {
        const io_uring_cqe* const all = completions_;
        const unsigned mask = completion_mask_;
        unsigned* const taken = completion_head_;
        const unsigned* const made = completion_tail_;
        for (unsigned head = *taken; head != load(made);) {
            const io_uring_cqe& next = all[head & mask];
            const completion came{next.user_data, next.res, next.flags};
            io_uring_smp_store_release(taken, ++head);
            each(came);
        }
    }

private:
    static unsigned load(const unsigned* at) noexcept { return io_uring_smp_load_acquire(at); }
    [[nodiscard]] unsigned taken() const noexcept { return load(request_head_); }
    [[nodiscard]] int enter(unsigned least, unsigned flags, io_uring_getevents_arg* how) noexcept;

    // The kernel's memory, mapped: what the hot paths need stands here.
    io_uring_sqe* requests_ = nullptr;
    unsigned* request_head_ = nullptr;
    unsigned* request_tail_ = nullptr;
    unsigned* flags_ = nullptr;
    unsigned tail_ = 0;
    unsigned limit_ = 0;  // what `tail_` may come to, by what the kernel took when last asked
    unsigned mask_ = 0;
    unsigned entries_ = 0;
    unsigned completion_mask_ = 0;
    io_uring_cqe* completions_ = nullptr;
    unsigned* completion_head_ = nullptr;
    unsigned* completion_tail_ = nullptr;
    int descriptor_ = -1;
    bool enabled_ = false;
    bool tells_ = false;  // whether there is a reason to ask (IORING_SETUP_TASKRUN_FLAG)
    bool tells_of_cut_sends_ = false;
    attachment* attachments_ = nullptr;
    io_uring mapped_{};
};

}  // namespace thole::detail
