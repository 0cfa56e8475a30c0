// SPDX-License-Identifier: BSL-1.0
// io_uring: a proactor by nature.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/attributes.hpp"
#include "posix/native_backend.hpp"
#include "posix/ring.hpp"

namespace thole::detail {

// What a completion is about.
enum class token_kind : std::uint8_t {
    reading,  // the operation at the front of that queue
    writing,
    accept,  // a listener's standing request
    other,   // no socket's; in place of the slot stands whose
};

// R90: what a request is known by: the place of its socket in the table, and what that place gives
// once for each direction (in 2^30 requests): a number whose last two bits are the kind.
struct token {
    static constexpr std::uint32_t kinds = 4;
    static constexpr std::uint64_t step = std::uint64_t{kinds} << 32;  // from one to the next
    static constexpr std::uint32_t nobody = 0;                         // slots of `other`
    static constexpr std::uint32_t waker = 1;                          // wake() was called

    std::uint32_t number;
    std::uint32_t slot;

    [[nodiscard]] static constexpr token of_other(std::uint32_t slot) noexcept {
        return {static_cast<std::uint32_t>(token_kind::other), slot};
    }
    [[nodiscard]] static constexpr token of(std::uint64_t word) noexcept {
        return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word)};
    }
    [[nodiscard]] constexpr token_kind kind() const noexcept {
        return static_cast<token_kind>(number % kinds);
    }
    [[nodiscard]] constexpr std::uint64_t word() const noexcept {
        return std::uint64_t{number} << 32 | slot;
    }
};

// A listener's standing request goes by the numbers of reading.
[[nodiscard]] constexpr token accept_token(token reading) noexcept {
    return {reading.number ^ static_cast<std::uint32_t>(token_kind::accept), reading.slot};
}

// A request of which only a failure is told, and to nobody.
inline void tells_nobody(io_uring_sqe& asked) noexcept {
    asked.flags = IOSQE_CQE_SKIP_SUCCESS;
    asked.user_data = token::of_other(token::nobody).word();
}

// What one direction of a socket has to do with the kernel.
struct direction {
    bool sent : 1 = false;       // a request is in the kernel, or on its way
    bool postponed : 1 = false;  // R82: there was no room for its request
    bool cancel_postponed : 1 = false;
    // A write that the kernel decides while it takes the request, and tells of if it fails.
    bool undecided : 1 = false;
};

// The core's marks stay as they are made: it hands each transfer over.
struct uring_state : native_state {
    direction reading_at;  // a listener's standing request as well
    direction writing_at;
    bool readable : 1 = false;  // the next read need not wait for news before it asks (R63)
    bool closed : 1 = false;    // given up by its owner; it waits for the kernel's last word
    bool listed : 1 = false;    // on the list of those that have something postponed
    bool stuffed : 1 = false;   // the kernel did not take the last write at once
    // The words of the tokens of its last requests, of reading and of writing. A listener's
    // standing request is a reading one.
    std::uint64_t last[2] = {};

    [[nodiscard]] std::uint32_t slot() const noexcept { return token::of(last[0]).slot; }
    [[nodiscard]] std::uint64_t next_word(bool of_writing) noexcept {
        return last[of_writing ? 1 : 0] += token::step;
    }
};

[[nodiscard]] inline uring_state& state_of(const operation& op) noexcept {
    return static_cast<uring_state&>(*op.state);
}
[[nodiscard]] inline direction& direction_of(uring_state& state, bool writing) noexcept {
    return writing ? state.writing_at : state.reading_at;
}

struct uring_listener final : uring_state, listener_half {
    bool cancelling = false;  // the standing request was asked to end
    listener_half* as_listener() noexcept override { return this; }
};

// The sockets by the number that their requests carry.
class slot_table {
public:
    static constexpr std::uint32_t none = 0xffff'ffff;
    struct entry {
        uring_state* state;  // null: it is free
        std::uint32_t next;  // free: the next free one. Else: the next that has postponed something
        union {
            std::uint32_t since;   // when it was connected, in steps; 0: it is not
            std::uint32_t number;  // free: no token of this place had a higher one
        };
    };

    slot_table() noexcept = default;
    slot_table(const slot_table&) = delete;
    slot_table& operator=(const slot_table&) = delete;
    ~slot_table();

    // False: no memory. So is a table's first room, which it must have to be asked.
    [[nodiscard]] bool open() noexcept { return grow(); }
    [[nodiscard]] bool put(uring_state& state) noexcept;
    void remove(std::uint32_t slot) noexcept;
    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] entry& operator[](std::uint32_t slot) noexcept { return entries_[slot]; }

    // The socket whose last request in its direction this is; null: it is of the past (R90).
    [[nodiscard]] uring_state* find(token about) const noexcept {
        uring_state* state = entries_[about.slot].state;
        return state != nullptr && state->last[about.number % 2] == about.word() ? state : nullptr;
    }

private:
    [[nodiscard]] bool grow() noexcept;

    entry* entries_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t free_ = none;
};

// What came of a step. `done`: settled. `again`: the operation needs one more request. `starved`:
// it waits for a buffer, and the core asks for it anew.
enum class step : std::uint8_t { done, again, starved };

// The buffers among which the kernel chooses for a receive: a ring in memory that it shares.
class buffer_ring {
public:
    buffer_ring() noexcept = default;
    buffer_ring(const buffer_ring&) = delete;
    buffer_ring& operator=(const buffer_ring&) = delete;
    ~buffer_ring();

    [[nodiscard]] bool is_open() const noexcept { return shared_ != nullptr; }
    // For buffers of this pool; 0 or a code.
    [[nodiscard]] int open(ring& on, const buffer_pool& lender) noexcept;
    // Gives free ones into the kernel's hand. False: it has none then.
    bool fill(buffer_pool& lender) noexcept;
    // One came back with a completion.
    void returned() noexcept { --entrusted_; }
    [[nodiscard]] bool has_any() const noexcept { return entrusted_ != 0; }

private:
    io_uring_buf_ring* shared_ = nullptr;
    unsigned size_ = 0;
    unsigned wanted_ = 0;
    unsigned entrusted_ = 0;
};

class uring final : public native_backend {
public:
    explicit uring(loop_core& core) noexcept
        : native_backend(core, mode::blocking, nullptr, &take_plain_read, &take_plain_write) {}
    ~uring() override;

    // 0 or the system's code, and what is wrong.
    [[nodiscard]] int start(std::string& reason) noexcept;

    bool submit(operation& op) override;
    bool cancel(operation& op) override;
    void close(socket_state* state, farewell how) override;
    std::error_code wait(time_point until, completions& finished) override;
    std::error_code waitable(std::uintptr_t& handle) override;
    bool unsent() const noexcept override;
    std::size_t held() const noexcept override;

private:
    native_state* take(int fd, socket_kind kind, int& failed) noexcept override;
    int attach(native_state& state) noexcept override;
    int detach(native_state& state) noexcept override;
    int listening(native_state& state) noexcept override;
    std::uint32_t& since(const native_state& state) noexcept override;

    [[nodiscard]] static bool take_plain_read(operation& op);
    [[nodiscard]] static bool take_plain_write(operation& op);

    // ---- Requests.
    // A place for one: in the worst case what is there is sent first. Null: not now (R82).
    [[nodiscard]] io_uring_sqe* request() noexcept;
    // The operation's request goes out, now or as soon as there is room.
    void ask(operation& op) noexcept;
    [[nodiscard]] bool try_to_ask(operation& op) noexcept;
    void ask_to_cancel(uring_state& state, bool writing) noexcept;
    [[nodiscard]] bool withdraw(operation& op, uring_state& state, bool writing) noexcept;
    void postpone(uring_state& state) noexcept;
    void send_postponed() noexcept;
    [[nodiscard]] bool send_postponed_of(uring_state& state) noexcept;
    [[nodiscard]] bool watch_waker() noexcept;
    [[nodiscard]] int make_ours() noexcept;     // 0 or a code
    [[nodiscard]] int open_outside() noexcept;  // 0 or a code
    void close_outside() noexcept;
    void take_signal() noexcept;

    // ---- Accepting (uring_accept.cpp).
    [[nodiscard]] bool submit_accept(operation& op, uring_listener& state) noexcept;
    void stand_ready(uring_listener& state) noexcept;
    [[nodiscard]] bool try_to_stand_ready(uring_listener& state) noexcept;
    void accepted(uring_listener& state, completion came, completions& finished);
    void accept_failed(uring_listener& state, int raw, completions& finished);
    void close_listener(uring_listener& state) noexcept;

    // ---- Receiving (uring_receive.cpp).
    // True: it cannot be done, and is settled.
    [[nodiscard]] bool fails_to_prepare(operation& op) noexcept;
    void prepare_receive(const uring_state& state, io_uring_sqe& request) const noexcept {
        request.opcode = IORING_OP_RECV;
        request.fd = state.fd;
        request.flags = IOSQE_BUFFER_SELECT;
        // A buffer is asked for first, so that without one the answer would not wait for news.
        if (!state.readable || !buffers_.has_any()) {
            request.ioprio = IORING_RECVSEND_POLL_FIRST;
        }
    }
    [[nodiscard]] step finish_receive(operation& op, uring_state& state, completion came);

    // ---- Completions.
    [[nodiscard]] bool reap(completions& finished);
    [[nodiscard]] bool completed_read(completion came, completions& finished);
    THOLE_APART void completed(completion came, completions& finished);
    void completed(uring_state& state, bool writing, completion came, completions& finished);
    void completed_other(token about, completion came, completions& finished);
    void decide(bool taken, completions& finished);
    [[nodiscard]] step made(operation& op, uring_state& state) noexcept;
    [[nodiscard]] step finish_connect(operation& op, uring_state& state, int came) noexcept;
    void release_idle(uring_state& state) noexcept;
    void dispose_of(uring_state& state) noexcept;

    // ---- The end.
    [[nodiscard]] bool is_forked() const noexcept;
    // R95: the ring belongs to a thread that is not ours: what is in it comes back as aborted.
    void give_up(completions& finished);
    [[nodiscard]] bool is_lost() const noexcept { return lost_ || is_forked(); }

    slot_table slots_;
    buffer_ring buffers_;  // outlives the ring
    ring ring_;
    std::uint32_t first_postponed_ = slot_table::none;
    std::uint32_t last_postponed_ = slot_table::none;
    operation* undecided_ = nullptr;  // writes, through `prev`, which a direction's only one leaves
    operation** last_undecided_ = &undecided_;
    std::size_t held_ = 0;
    unsigned last_close_ = 0;  // the mark after the last request that closes
    unsigned forks_ = 0;
    int outside_ = -1;  // what another event loop waits on: a set of the waker and `signal_`
    int signal_ = -1;   // the kernel's, of whatever is to be seen in the ring
    bool waker_watched_ = false;
    bool lost_ = false;
    char glance_ = 0;  // where a byte goes that nobody wants
};

// ---- The verbs of this kind of kernel: the request, and what its completion means.

// uring_transfer.cpp
// Bytes of one buffer in one request, whose length has 32 bits.
inline constexpr std::size_t most_at_once = std::size_t{1} << 30;
void prepare_transfer(operation& op, const uring_state& state, io_uring_sqe& request,
                      attachment& beside, char& glance) noexcept;
[[nodiscard]] step finish_read(operation& op, uring_state& state, completion came) noexcept;
[[nodiscard]] step finish_write(operation& op, uring_state& state, int came) noexcept;
// It was sent without a word in case of success, and this is one.
[[nodiscard]] step finish_undecided(operation& op, uring_state& state, int came) noexcept;
// A request of the operation failed.
[[nodiscard]] step go_on_after(operation& op, uring_state& state, int raw) noexcept;
// The kernel's word "ended", which somebody here may have asked for. False: once more (R79).
[[nodiscard]] bool settle_ended_early(operation& op) noexcept;
[[nodiscard]] inline bool is_ended_early(int raw) noexcept {
    return raw == ECANCELED || raw == EINTR;  // R89
}

// uring_connect.cpp. True: it has finished, and cannot connect.
[[nodiscard]] bool begin_connect(operation& op, uring_state& state) noexcept;
void prepare_connect(operation& op, const uring_state& state, io_uring_sqe& request,
                     attachment& beside) noexcept;

// src/posix/uring.cpp
[[nodiscard]] backend_choice uring_backend(loop_core& core);

}  // namespace thole::detail
