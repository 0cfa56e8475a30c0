// SPDX-License-Identifier: BSL-1.0
// What a loop is made of.
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include <thole/loop.hpp>
#include <thole/scope.hpp>
#include <thole/timer.hpp>

#include "core/attributes.hpp"
#include "core/back_off.hpp"
#include "core/backend.hpp"
#include "core/buffer_pool.hpp"
#include "core/close_line.hpp"
#include "core/frame_pool.hpp"
#include "core/inbox.hpp"
#include "core/queue.hpp"
#include "core/slabs.hpp"
#include "core/spin.hpp"
#include "core/timer_wheel.hpp"
#include "core/times_table.hpp"

namespace thole::detail {

// Counts the forks that made this process; a loop of an earlier count belongs to the parent (R78).
// The POSIX room raises it in the child; Windows has no fork.
THOLE_INSIDE extern unsigned fork_count;

struct backend_choice;  // core/backends.hpp

// What a program must never do, said before it ends.
[[noreturn]] THOLE_INSIDE void misuse(const char* what) noexcept;  // submit.cpp

// Somebody inside the library who wants to know when a thing happens to the loop.
class loop_watch {
public:
    explicit loop_watch(void (*told)(loop_watch& self) noexcept) noexcept : told_(told) {}
    loop_watch(const loop_watch&) = delete;
    loop_watch& operator=(const loop_watch&) = delete;
    ~loop_watch() { leave(); }

    // Again: nothing.
    void enter(loop_watch*& list) noexcept {
        if (at_ == nullptr) {
            next_ = list;
            at_ = &list;
            list = this;
        }
    }
    void leave() noexcept {
        if (at_ != nullptr) {
            loop_watch** place = std::exchange(at_, nullptr);
            while (*place != this) {
                place = &(*place)->next_;
            }
            *place = next_;
        }
    }
    static void tell(loop_watch* first) noexcept {
        for (loop_watch* each = first; each != nullptr; each = each->next_) {
            each->told_(*each);
        }
    }

private:
    loop_watch* next_ = nullptr;
    loop_watch** at_ = nullptr;  // the list's first
    void (*told_)(loop_watch& self) noexcept;
};

struct loop_core {
    // Inline completions and transfers between tasks in one dispatch: fairness, and a bounded
    // stack.
    static constexpr int inline_budget = 64;
    static constexpr unsigned never_forked = ~0U;
    // Handlers between two looks at the kernel (R120).
    static constexpr int turn_budget = 256;

    // `make` makes any backend; null: the program is linked with the default one alone.
    loop_core(loop_options options, backend_choice (*make)(backend_kind, loop_core&)) noexcept;
    ~loop_core();
    loop_core(const loop_core&) = delete;
    loop_core& operator=(const loop_core&) = delete;

    // ---- run.cpp
    // What ends a run besides the lack of work.
    struct run_limits {
        deadline until{};
        const spawned_base* awaited = nullptr;  // the end of this task
    };
    [[nodiscard]] std::error_code run(const run_limits& limits, std::size_t& handled);
    [[nodiscard]] std::error_code poll(std::size_t& handled);
    [[nodiscard]] bool has_work() const noexcept;
    // Any thread.
    void enqueue(runnable& item) noexcept {
        if (runs_on(this_thread())) {
            ready.push(item);
        } else {
            enqueue_outside(item);
        }
    }
    // From another thread, or from a signal's handler on any.
    void enqueue_outside(runnable& item) noexcept;
    void stop() noexcept;  // any thread
    // Asked by `self`.
    [[nodiscard]] bool runs_on(thread_mark self) const noexcept {
        return runner.load(std::memory_order_relaxed) == self;
    }
    // ---- frames.cpp
    THOLE_APART posted_memory take_elsewhere(std::size_t size, std::uintptr_t marks);
    [[nodiscard]] posted_memory take_own(std::size_t size);
    THOLE_APART posted_memory take_outside(std::size_t size, thread_mark self);
    void enqueue_posted(runnable& item, std::uintptr_t home) noexcept;
    [[nodiscard]] time_point clock() const noexcept;
    // A point of time that lies behind us, or what was over from the start: the word of a deadline.
    [[nodiscard]] bool has_passed(std::int64_t word) const noexcept;  // unusual.cpp

    // ---- foreign_loop.cpp
    [[nodiscard]] time_point next_deadline() noexcept;
    [[nodiscard]] std::error_code waitable(std::uintptr_t& handle) noexcept;
    void expect_mail() noexcept;

    // ---- submit.cpp
    // The loop of an operation; null: a closed handle, or none was ever named.
    [[nodiscard]] static loop_core* of(operation& op) noexcept;  // unusual.cpp
    // True: finished, and at rest in the stage `finished`, in no queue. False: pending.
    [[nodiscard]] bool start(operation& op) noexcept;  // unusual.cpp
    // The plain read, which is pending then, and the plain write: true: it has finished.
    void stand(operation& op, std::uint8_t as) noexcept;
    [[nodiscard]] bool offer(operation& op) noexcept;
    // An accept and a connect: true: it has finished.
    [[nodiscard]] bool accept(operation& op) noexcept;
    [[nodiscard]] bool connect(operation& op) noexcept;
    [[nodiscard]] static loop_core* connecting(const operation& op) noexcept;
    // True: the network has taken it.
    template <bool Writing>
    [[nodiscard]] static bool hand_over(operation& op) noexcept;
    void cancel(operation& op, reason why) noexcept;
    void cancel_all(operation_queue& queue, reason why) noexcept;
    // The backend's word: it is settled, and becomes ready.
    void finished(operation& op) noexcept {
        if (op.aborted || op.native_error) [[unlikely]] {
            if (goes_on_waiting(op)) {
                return;
            }
        }
        done(op);
    }
    void done(operation& op) noexcept {
        assert(op.at == stage::submitted && !op.aborted);
        if (op.armed()) {  // when it finishes, not when it is dispatched, or it expires for ever
            wheel.disarm(op);
        }
        op.at = stage::finished;
        --pending;
        ready.push(op);
    }
    // A pending one has ended by itself; it is settled.
    void finish_local(local_operation& op) noexcept;  // unusual.cpp
    // A pending one has a deadline.
    void arm(operation& op) noexcept {
        if (!wheel.join(op, op.due)) {
            arm_apart(op);
        }
    }
    // The backend has it.
    void becomes_pending(operation& op) noexcept {
        becomes_passing(op);
        stays(op);
    }
    // The same, until the next wait() of the backend, which decides it or says that it stays: so
    // short a while needs no place in the wheel.
    void becomes_passing(operation& op) noexcept {
        op.at = stage::submitted;
        ++pending;
    }
    void stays(operation& op) noexcept {
        if (op.due != 0) {
            arm(op);
        } else if (op.state->times != 0) {
            arm_by_default(op);
        }
    }
    // ---- buffer_pool.cpp
    void serve_starved() noexcept;
    // ---- back_off.cpp
    // Of one that failed, and stands in no queue: true: it waits until what it lacked is there, in
    // its queue again.
    [[nodiscard]] THOLE_APART bool backs_off(operation& op) noexcept;
    // It waits no longer; it stays in its queue.
    void resume(operation& op) noexcept;
    // It waits no longer for what it lacked, a buffer or something of the system's.
    void leave_line(operation& op) noexcept;
    // One that has waited; it left the line.
    void ask_again(operation& op) noexcept;

    // ---- open_sockets.cpp
    [[nodiscard]] bool fit() const noexcept { return forks == fork_count; }
    [[nodiscard]] std::error_code usable() const noexcept;  // why not
    void retire() noexcept;
    void enlist(socket_state& state) noexcept {
        state.core = this;
        link(state);
    }
    void link(socket_state& state) noexcept {
        socket_link* first = sockets.next;
        state.prev = &sockets;
        state.next = first;
        first->prev = &state;
        sockets.next = &state;
    }
    [[nodiscard]] socket_state* open(socket_kind kind, std::error_code& error) noexcept;
    [[nodiscard]] socket_state* adopt(const loose_socket& loose, std::error_code& error) noexcept;
    // An accept has its socket: this one of the loop, or one that arrived at the backend's queue.
    void give(operation& op, socket_state& made) noexcept {
        link(made);
        static_cast<tcp::accept_op&>(op).made_ = tcp::socket(&made);
        settle_done(op);
    }
    void give(operation& op, const loose_socket& arrived) noexcept;
    void close(socket_state& state, farewell how) noexcept;
    THOLE_APART void close_busy(socket_state& state, farewell how) noexcept;
    void unlist(socket_state& state, farewell how) noexcept;
    static void unlink(socket_state& state) noexcept {
        state.prev->next = state.next;
        state.next->prev = state.prev;
    }
    [[nodiscard]] bool prepare_connect(operation& op) noexcept;
    [[nodiscard]] static std::error_code control(socket_state* state,
                                                 control_request& asked) noexcept;

    // ---- task_tree.cpp
    void add_root(promise_base& root) noexcept;
    void remove_root(promise_base& root) noexcept;
    void destroy_tasks() noexcept;
    // ---- task_group.cpp
    void enter(scope& made) noexcept;
    void leave(scope& gone) noexcept;

    slabs posted;       // memory of what was posted
    frame_pool frames;  // the last to go: what the rest destroys may end there
    std::unique_ptr<buffer_pool, let_go> lent;  // never null; goes after the network
    std::unique_ptr<backend> network;
    backend::offer_function offering = nullptr;  // the network's
    backend::hand_function taking_read = nullptr;
    backend::hand_function taking_write = nullptr;
    std::size_t simulated_sockets = 0;
    std::error_code error;  // why it cannot be used
    backend_info info;

    run_queue ready;
    run_queue refusals;  // callbacks on a loop that has no network
    runnable poll_mark;  // queued while it has an `act`
    timer_wheel wheel{0};
    times_table times;  // of sockets with default times
    spin_policy spin;
    close_line closings;
    std::unique_ptr<back_off> lacking;  // once something failed for lack of a resource
    timer_list expired;                 // lone timers whose functions are to be called
    operation_queue locals;             // pending local operations
    std::size_t pending = 0;  // operations and lone timers that were started and have not finished
    int budget = 0;
    bool running = false;
    bool closing = false;
    bool watched = false;         // another loop waits on the network's handle
    unsigned forks = fork_count;  // or never_forked: not to be used
    socket_link sockets{&sockets, &sockets};
    promise_base* roots = nullptr;
    scope* scopes = nullptr;         // the youngest first
    loop_watch* turns = nullptr;     // are told of each turn, while a timer is set
    loop_watch* scarcity = nullptr;  // are told when something waits for a resource of the system
    std::thread::id thread{};

    std::atomic<bool> stopped{false};
    std::atomic<thread_mark> runner{nullptr};  // the thread that is inside a run function
    inbox mail;

    // A lone timer that waits in `expired` for its call has this for its time.
    static constexpr std::int64_t expired_mark = std::numeric_limits<std::int64_t>::min() | 1;

    // ---- timer.cpp
    [[nodiscard]] std::error_code arm(timer& lone, deadline until) noexcept;
    void disarm(timer& lone) noexcept;
    THOLE_APART std::error_code arm_unusual(timer& lone, deadline until) noexcept;
    // Before something is armed: a long turn's timers are placed by a look at the clock.
    void make_room() noexcept {
        if (wheel.full()) [[unlikely]] {
            wheel.place(clock().time_since_epoch().count());
        }
    }
    void call(timer_node& lone);

private:
    class run_scope;
    posted_memory take_posted(const slabs::piece& piece, std::size_t size, std::uintptr_t marks);
    [[nodiscard]] std::error_code enter() noexcept;  // may a run function be called here and now?
    [[nodiscard]] std::error_code refuse_run(const std::error_code& refused, std::size_t& handled);
    [[nodiscard]] bool dispatch(const run_limits& limits, int most, std::size_t& handled);
    // ---- pause.cpp
    [[nodiscard]] std::error_code pause(time_point until);
    [[nodiscard]] std::error_code sleep(time_point until, completions& done);
    [[nodiscard]] std::error_code poll_and_sleep(time_point until, completions& done);
    // ---- default_times.cpp
    void arm_by_default(operation& op) noexcept;
    // ---- unusual.cpp
    void arm_apart(operation& op) noexcept;
    [[nodiscard]] bool refuses(operation& op) noexcept;
    [[nodiscard]] bool start_transfer(operation& op) noexcept;
    [[nodiscard]] bool submit(operation& op) noexcept;
    THOLE_APART static bool submit_rest(operation& op, std::ptrdiff_t offered) noexcept;
    [[nodiscard]] bool start_local(local_operation& op) noexcept;
    void cancel_local(local_operation& op) noexcept;
    void cancel_starved(operation& op) noexcept;  // buffer_pool.cpp
    void cancel_paused(operation& op) noexcept;   // back_off.cpp
    void cancel_in_line(operation& op) noexcept;
    // Aborted, or failed: its outcome, or true: none yet.
    [[nodiscard]] THOLE_APART bool goes_on_waiting(operation& op) noexcept;
    [[nodiscard]] bool is_late(operation& op) noexcept;
    static void resolve_abort(operation& op) noexcept;
    void settle_timers() noexcept {
        if (!wheel.empty()) {
            settle_armed_timers();
        }
    }
    void settle_armed_timers() noexcept;
    void discard_ready() noexcept;
    void shut_down() noexcept;
};

inline void completions::push(operation& op) noexcept { core_.finished(op); }
inline void completions::push_done(operation& op) noexcept { core_.done(op); }

// The loop that runs on this thread, if any.
[[nodiscard]] loop_core*& current_loop() noexcept;
// Callbacks started on handles that know no loop, outside of run: the next loop of this thread
// takes them.
[[nodiscard]] run_queue& loopless() noexcept;

}  // namespace thole::detail
