// SPDX-License-Identifier: BSL-1.0
#include "posix/ring.hpp"

#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

namespace thole::detail {

ring_sizes sizes_of_rings;

namespace {

// IORING_SETUP_… in the order in which they are given up, the dearest last; each with what takes
// its place.
struct wish {
    unsigned flag;
    unsigned instead;
};
constexpr wish wishes[] = {
    {IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_COOP_TASKRUN},
    {IORING_SETUP_SINGLE_ISSUER, 0},
    {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 0},
    {IORING_SETUP_SUBMIT_ALL, 0},
    {IORING_SETUP_R_DISABLED, 0},
    {IORING_SETUP_CLAMP, 0},
    {IORING_SETUP_CQSIZE, 0},
};
constexpr unsigned all_wishes = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER |
                                IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                                IORING_SETUP_R_DISABLED | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;

// R81: what the kernel does not know it refuses as a whole; the flags go one by one then. A
// negative code, or 0.
int set_up(io_uring& made, ring_sizes sizes, unsigned wished, io_uring_params& got) noexcept {
    std::size_t given_up = 0;
    for (;;) {
        got = {};
        got.flags = wished;
        got.cq_entries = (wished & IORING_SETUP_CQSIZE) != 0 ? sizes.completions : 0;
        const int came = sys::io_uring_queue_init_params(sizes.requests, &made, &got);
        if (came != -EINVAL || given_up == std::size(wishes)) {
            return came;
        }
        const wish& next = wishes[given_up++];
        wished = (wished & next.flag) != 0 ? (wished & ~next.flag) | next.instead : wished;
    }
}

// ---- R80: what the kernel can is asked of itself, and tried.

constexpr unsigned needed_features = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG |  // R84, R97
                                     IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL |
                                     IORING_FEAT_CQE_SKIP;

struct needed_request {
    io_uring_op code;
    const char* name;
};
constexpr needed_request needed[] = {
    {IORING_OP_POLL_ADD, "POLL_ADD"},
    {IORING_OP_SENDMSG, "SENDMSG"},
    {IORING_OP_RECVMSG, "RECVMSG"},
    {IORING_OP_ACCEPT, "ACCEPT"},
    {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
    {IORING_OP_CONNECT, "CONNECT"},
    {IORING_OP_CLOSE, "CLOSE"},
    {IORING_OP_SEND, "SEND"},
    {IORING_OP_RECV, "RECV"},
};

// The name of what it does not know, or null; a code goes to `failed`.
const char* missing_request(int descriptor, int& failed) noexcept {
    constexpr unsigned most = 256;
    alignas(io_uring_probe)
        std::byte memory[sizeof(io_uring_probe) + most * sizeof(io_uring_probe_op)] = {};
    auto& known = *reinterpret_cast<io_uring_probe*>(memory);
    failed = sys::io_uring_register(static_cast<unsigned>(descriptor), IORING_REGISTER_PROBE,
                                    &known, most);
    if (failed < 0) {
        return nullptr;
    }
    for (const needed_request& one : needed) {
        if (!io_uring_opcode_supported(&known, one.code)) {
            return one.name;
        }
    }
    return nullptr;
}

// One request there and back: what came of it, or a negative code.
template <class Prepare>
int round_trip(io_uring& on, Prepare prepare) noexcept {
    io_uring_sqe& request = on.sq.sqes[0];
    std::memset(&request, 0, sizeof request);
    prepare(request);
    const unsigned tail = *on.sq.ktail;
    on.sq.array[tail & *on.sq.kring_mask] = 0;
    io_uring_smp_store_release(on.sq.ktail, tail + 1);
    int came = 0;
    do {
        came = sys::io_uring_enter2(static_cast<unsigned>(on.ring_fd), 1, 1, IORING_ENTER_GETEVENTS,
                                    nullptr, 0);
    } while (came == -EINTR);
    const unsigned head = *on.cq.khead;
    if (came < 0 || head == io_uring_smp_load_acquire(on.cq.ktail)) {
        return came < 0 ? came : -EIO;
    }
    came = on.cq.cqes[head & *on.cq.kring_mask].res;
    io_uring_smp_store_release(on.cq.khead, head + 1);
    return came;
}

int try_out(io_uring& on, std::string& reason) noexcept {
    if ((on.features & needed_features) != needed_features) {
        reason = "this kernel's io_uring lacks a feature (Linux 5.19 has what is needed)";
        return EOPNOTSUPP;
    }
    int failed = 0;
    if (const char* missing = missing_request(on.ring_fd, failed)) {
        reason = std::string("this kernel's io_uring has no ") + missing;
        return EOPNOTSUPP;
    }
    if (failed < 0) {
        reason = "io_uring cannot tell what it knows";
        return -failed;
    }
    failed = round_trip(on, [](io_uring_sqe& one) { io_uring_prep_nop(&one); });
    if (failed < 0) {
        reason = "io_uring does not carry a request";
        return -failed;
    }
    // Standing requests have no number of their own to ask for: one that is known fails for its
    // descriptor.
    failed = round_trip(on, [](io_uring_sqe& one) {
        io_uring_prep_multishot_accept(&one, -1, nullptr, nullptr, SOCK_CLOEXEC);
    });
    if (failed != -EBADF) {
        reason = "this kernel's io_uring has no standing accept";
        return EOPNOTSUPP;
    }
    return 0;
}

// Early kernels forget the part that was moved (before Linux 6.1).
bool tells_of_cut_send(io_uring& on) noexcept {
    int ends[2];
    if (sys::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return false;
    }
    constexpr int least = 1;  // the system's own least is some kilobytes
    constexpr int more = 64 << 10;
    static_cast<void>(sys::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &least,
                                      static_cast<socklen_t>(sizeof least)));
    auto* bytes = static_cast<std::byte*>(std::calloc(more, 1));
    const int came = bytes == nullptr ? 0 : round_trip(on, [&](io_uring_sqe& one) {
        io_uring_prep_send(&one, ends[0], bytes, more, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
    });
    std::free(bytes);
    sys::close(ends[0]);
    sys::close(ends[1]);
    return came > 0 && came < more;
}

}  // namespace

int ring::open(std::string& reason) noexcept {
    io_uring_params got{};
    io_uring trial{};
    // On a ring of its own: a ring belongs to the first thread that uses it (R95).
    int failed = set_up(trial, {4, 8}, all_wishes & ~unsigned{IORING_SETUP_R_DISABLED}, got);
    if (failed < 0) {
        reason = "io_uring cannot be had here";
        return -failed;
    }
    failed = try_out(trial, reason);
    tells_of_cut_sends_ = failed == 0 && tells_of_cut_send(trial);
    sys::io_uring_queue_exit(&trial);
    if (failed != 0) {
        return failed;
    }
    failed = set_up(mapped_, sizes_of_rings, all_wishes, got);
    if (failed < 0) {
        reason = "io_uring cannot be set up";
        return -failed;
    }
    descriptor_ = mapped_.ring_fd;
    attachments_ = static_cast<attachment*>(std::malloc(got.sq_entries * sizeof(attachment)));
    failed = attachments_ != nullptr ? sys::io_uring_ring_dontfork(&mapped_) : -ENOMEM;
    if (failed < 0) {
        reason = "io_uring has no memory";
        close();
        return -failed;
    }
    enabled_ = (got.flags & IORING_SETUP_R_DISABLED) == 0;
    tells_ = (got.flags & IORING_SETUP_TASKRUN_FLAG) != 0;
    requests_ = mapped_.sq.sqes;
    request_head_ = mapped_.sq.khead;
    request_tail_ = mapped_.sq.ktail;
    flags_ = mapped_.sq.kflags;
    entries_ = got.sq_entries;
    mask_ = entries_ - 1;
    tail_ = *request_tail_;
    limit_ = tail_ + entries_;
    for (unsigned i = 0; i < entries_; ++i) {  // the places are used in turn
        mapped_.sq.array[i] = i;
    }
    completions_ = mapped_.cq.cqes;
    completion_head_ = mapped_.cq.khead;
    completion_tail_ = mapped_.cq.ktail;
    completion_mask_ = got.cq_entries - 1;
    return 0;
}

int ring::enable() noexcept {
    const int failed = sys::io_uring_register(static_cast<unsigned>(descriptor_),
                                              IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    enabled_ = failed >= 0;
    return enabled_ ? 0 : -failed;
}

int ring::share(io_uring_buf_ring* buffers, unsigned entries) noexcept {
    io_uring_buf_reg asked{};
    asked.ring_addr = reinterpret_cast<std::uintptr_t>(buffers);
    asked.ring_entries = entries;
    const int failed = sys::io_uring_register(static_cast<unsigned>(descriptor_),
                                              IORING_REGISTER_PBUF_RING, &asked, 1);
    return failed < 0 ? -failed : 0;
}

int ring::signal_to(int eventfd) noexcept {
    const int failed = sys::io_uring_register(static_cast<unsigned>(descriptor_),
                                              IORING_REGISTER_EVENTFD, &eventfd, 1);
    return failed < 0 ? -failed : 0;
}

void ring::close() noexcept {
    limit_ = tail_;
    if (descriptor_ >= 0) {
        sys::io_uring_queue_exit(&mapped_);
        descriptor_ = -1;
    }
    std::free(std::exchange(attachments_, nullptr));
}

void ring::abandon() noexcept {
    if (descriptor_ >= 0) {
        sys::close(std::exchange(descriptor_, -1));
    }
}

const io_uring_sqe* ring::take_back() noexcept {
    const unsigned head = taken();
    if (head == tail_) {
        return nullptr;
    }
    io_uring_smp_store_release(request_head_, head + 1);  // nobody else moves it any more
    return &requests_[head & mask_];
}

int ring::enter(unsigned least, unsigned flags, io_uring_getevents_arg* how) noexcept {
    io_uring_smp_store_release(request_tail_, tail_);
    const int came =
        sys::io_uring_enter2(static_cast<unsigned>(descriptor_), unsent(), least, flags,
                             reinterpret_cast<sigset_t*>(how), how != nullptr ? sizeof *how : 0);
    limit_ = taken() + entries_;
    return came;
}

int ring::send(bool looks) noexcept {
    return enter(0, looks ? IORING_ENTER_GETEVENTS : 0, nullptr);
}

int ring::wait(unsigned least, std::int64_t time) noexcept {
    if (least == 0) {
        return send(true);
    }
    __kernel_timespec span{time / 1'000'000'000, time % 1'000'000'000};
    io_uring_getevents_arg how{};
    how.ts = time < 0 ? 0 : reinterpret_cast<std::uintptr_t>(&span);
    return enter(least, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &how);
}

}  // namespace thole::detail
