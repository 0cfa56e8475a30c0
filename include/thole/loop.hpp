// SPDX-License-Identifier: BSL-1.0
/// \file
/// One thread and one backend.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <thole/deadline.hpp>
#include <thole/operation.hpp>
#include <thole/result.hpp>
#include <thole/task.hpp>

namespace thole {

/// What a platform provides.
enum class backend_kind : std::uint8_t {
    automatic,  ///< the platform's default, or what THOLE_BACKEND wishes
    epoll,      ///< Linux
    select,     ///< POSIX; descriptors below FD_SETSIZE
    io_uring,   ///< Linux
    iocp,       ///< Windows
    sim,        ///< a network in memory with a clock of its own, on every platform
};

/// "epoll", "select", …; "automatic".
[[nodiscard]] THOLE_API std::string_view to_string(backend_kind kind) noexcept;
/// The kind of that name, or std::errc::invalid_argument.
[[nodiscard]] THOLE_API result<backend_kind> parse_backend(std::string_view name);

/// What a loop may be given.
struct loop_options {
    /// A kind named here is exact: where it is not available the loop is not usable, and error()
    /// and backend().reason tell why. With `automatic` the environment variable THOLE_BACKEND is a
    /// wish: what cannot be had falls back to the default, and backend().reason says so.
    backend_kind backend = backend_kind::automatic;
    /// How many bytes a buffer has that tcp::socket::receive() lends: a power of two from 64 to
    /// 65536, so that it divides a page or is whole pages.
    std::size_t lent_buffer_size = 4096;
    /// How many of them may be lent at a time: 1 to 32768. Memory is taken when it is first needed,
    /// 64 KiB at a time, and kept until the loop's end. With another number or size the loop is not
    /// usable, and error() is std::errc::invalid_argument.
    std::size_t lent_buffers = 16384;
    /// How long, at the most, the loop polls before it sleeps: what comes meanwhile saves the time
    /// of a wake. 0 or less, the default, is off; more than a second counts as one; 50 to 100
    /// microseconds are usual. The loop learns whether it pays: it polls while at least two of
    /// three polls find something, hardly at all otherwise (1 to 2 % of the time), and stops for a
    /// while where its thread was kept from its core. So a loop that waits for rare news sleeps.
    /// It costs processor time and saves latency; for loops that have a core to themselves.
    /// Timers, posts, stop() and the limits of the run functions are served as without it. No
    /// effect on the simulated network.
    std::chrono::nanoseconds spin{0};
    /// How many tcp::socket::close_gracefully() run at a time, at least one (else the loop is not
    /// usable, as above); more stand in line. The default is the number of descriptors that most
    /// systems let a process start with, so that only servers with more of them ever see the line.
    std::size_t graceful_closes = 1024;
    /// On the simulated network alone: how many sockets may be open at once, listeners among them.
    /// With as many, what would open one more fails with std::errc::too_many_files_open, as where a
    /// process has no descriptor left. 0: any number.
    std::size_t simulated_sockets = 0;
};

/// Graceful closes of a loop that have not ended.
struct closing_counts {
    std::size_t running = 0;   ///< at most loop_options::graceful_closes
    std::size_t standing = 0;  ///< in line behind them
};

/// Which backend a loop has, and why.
struct backend_info {
    /// Never `automatic` on a loop that works.
    backend_kind kind = backend_kind::automatic;
    std::string_view name;  ///< "epoll", …; empty on a loop without one
    std::string reason;     ///< one sentence
};

namespace detail {

/// Memory for a function that is posted. `home` is for the loop, which takes it back.
struct posted_memory {
    void* at;
    std::uintptr_t home;
};
/// On the thread that took it: nothing was posted in it.
THOLE_API void return_unposted(posted_memory memory, std::size_t size) noexcept;
/// On the loop's thread: what lay there has ended.
THOLE_API void release_posted(posted_memory memory, std::size_t size) noexcept;

/// A function that was posted, in recycled memory.
template <class F>
struct alignas(16) posted_function : runnable {
    template <class G>
    posted_function(G&& from, std::uintptr_t its_home)
        : home(its_home), function(std::forward<G>(from)) {
        act = &run;
    }
    static void run(runnable& self, turn how) {
        struct release {
            posted_function* node;
            ~release() {
                const posted_memory memory{node, node->home};
                node->~posted_function();
                release_posted(memory, sizeof(posted_function));
            }
        };
        const release after{static_cast<posted_function*>(&self)};
        if (how == turn::run) {
            after.node->function();
        }
    }
    std::uintptr_t home;
    F function;
};

/// The T of block_on's result: a task of a result gives that result itself.
template <class T>
struct flat {
    using type = result<T>;
};
template <class T>
struct flat<result<T>> {
    using type = result<T>;
};

}  // namespace detail

/// A thread's event loop: its backend, its timers, its queue of posted work. One thread runs it:
/// the first that calls a run function, for the loop's life. It may be built, and posted to,
/// elsewhere before. Any thread may call post() and stop(); everything else belongs to the loop's
/// thread.
///
/// The destructor (never inside run) cancels everything, waits for the kernel's last word on each
/// operation, then destroys the tasks that did not end, from the innermost frame out, and what was
/// posted and did not run. It resumes and calls nothing. Handles may outlive the loop; they are
/// closed. In a forked child the parent's loop can only be destroyed: everything else gives an
/// error.
class loop {
public:
    /// Never throws: `if (!on)` tells whether it can be used, error() why not. On a loop that
    /// cannot be used every verb finishes at once with that error. The run functions give it, too,
    /// after they have called the callbacks that ended so.
    ///
    /// The first form is as the second one with `loop_options{}`, but for one thing: where thole is
    /// linked as a static library, a program that has no loop with options is linked without the
    /// backends that are not the platform's default, and THOLE_BACKEND=select, for one, falls back
    /// there as any wish that cannot be had.
    THOLE_API loop() noexcept;
    /// The same, with options, which may name any backend.
    THOLE_API explicit loop(loop_options options) noexcept;
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;
    THOLE_API ~loop();

    [[nodiscard]] explicit operator bool() const noexcept { return !error(); }
    /// Why it cannot be used: std::errc::not_supported for a backend that is not there, a code of
    /// the system.
    [[nodiscard]] THOLE_API std::error_code error() const noexcept;
    /// The backend it got, and why.
    [[nodiscard]] THOLE_API const backend_info& backend() const noexcept;
    /// The time of the loop's clock, read now.
    [[nodiscard]] THOLE_API time_point now() const noexcept;

    /// Runs until no work is left (no operation pending, nothing ready, nothing posted) or stop().
    /// Gives the number of handlers, posted functions and resumed coroutines that ran. An exception
    /// of one leaves run(); the rest stays, and run() may be called again.
    ///
    /// Errors: std::errc::operation_not_permitted on another thread than the first, or in a forked
    /// child; errc::operation_in_progress inside a run function of this loop; what error() gives;
    /// std::errc::resource_deadlock_would_occur on the simulated network when nothing can ever
    /// happen again; a code of the system when the backend cannot wait.
    THOLE_API result<std::size_t> run();
    /// The same, for `time` at the most. What is pending stays so.
    template <class Rep, class Period>
    result<std::size_t> run_for(std::chrono::duration<Rep, Period> time) {
        return run_within(within(time));
    }
    /// The same, until `when` of the loop's clock at the most.
    result<std::size_t> run_until(time_point when) { return run_within(at(when)); }
    /// Runs what is ready now, without waiting.
    THOLE_API result<std::size_t> poll();

    // ---- Driven by another event loop: that one waits, and calls poll() when it should.
    //
    //     watch(*on.native_waitable());                 // readable: call poll()
    //     for (;;) {
    //         on.poll();
    //         wait_until(on.next_deadline());           // or until that handle is readable
    //     }

    /// When poll() must be called next, whatever else happens: the time of the next deadline or
    /// timer, now where something is ready, time_point::max() where nothing is to be done before
    /// the kernel or another thread has news. Ask after each poll(), and after starting anything
    /// outside of it. On the simulated network, whose clock only poll() moves, it is now as long as
    /// anything is pending. Loop's thread only.
    [[nodiscard]] THOLE_API time_point next_deadline() noexcept;
    /// What another event loop can wait on for news: on epoll and io_uring a descriptor that is
    /// readable while poll() would find something, posts of other threads among it. It stays the
    /// loop's, and the same for its life: never read, write or close it. Ask before other threads
    /// post.
    /// std::errc::not_supported on the other backends, whose kernels have no such handle: call
    /// poll() every few milliseconds there, or run the loop on a thread of its own and post to it.
    /// Also what error() gives, and codes of the system. Loop's thread only.
    [[nodiscard]] THOLE_API result<std::uintptr_t> native_waitable() noexcept;

    /// How many buffers tcp::socket::receive() has lent that have not come back. Loop's thread
    /// only.
    [[nodiscard]] THOLE_API std::size_t lent_buffers() const noexcept;

    /// How many tcp::socket::close_gracefully() have begun and not ended. Loop's thread only.
    [[nodiscard]] THOLE_API closing_counts closing() const noexcept;

    /// Makes the run functions return as soon as the handler that runs now has ended, before any
    /// other; until restart() they return at once. Nothing is lost. Any thread.
    THOLE_API void stop() noexcept;
    /// Since stop(), until restart().
    [[nodiscard]] THOLE_API bool stopped() const noexcept;
    /// Lets the run functions work again after stop().
    THOLE_API void restart() noexcept;

    /// Runs `function()` on the loop's thread, in a later turn, in the order of posting. Any
    /// thread. Takes one recycled block of memory; throws std::bad_alloc where there is none.
    /// Posting alone does not keep a sleeping run() from ending when its other work ends.
    template <class F>
    requires(std::invocable<std::decay_t<F>&> &&
             !std::derived_from<std::remove_cvref_t<F>, operation>) void post(F&& function) {
        using node = detail::posted_function<std::decay_t<F>>;
        static_assert(alignof(node) == 16, "a function with a greater alignment");
        unposted memory{take_memory(sizeof(node)), sizeof(node)};
        node& made = *::new (memory.own.at) node(std::forward<F>(function), memory.own.home);
        memory.own.at = nullptr;
        enqueue(made, made.home);
    }
    /// Queues an operation made for that (`posted`): allocates nothing, cannot fail. It must not be
    /// queued already. Any thread.
    THOLE_API void post(operation& node) noexcept;

    /// Starts `work` in a later turn. The handle may be dropped: the task goes on.
    template <class T>
    spawned<T> spawn(task<T>&& work) {
        return spawned<T>(start_root<T>(std::move(work)));
    }

    /// Runs the loop until `work` has ended and gives its value, other events going on meanwhile:
    /// the synchronous face. A task of a `result<T>` gives that. An exception of the task leaves
    /// here. Errors: those of run(); errc::cancelled if the loop was stopped first, or has nothing
    /// left that could let the task end: it then goes on as a detached one.
    template <class T>
    typename detail::flat<T>::type block_on(task<T>&& work) {
        spawned<T> running = spawn(std::move(work));
        if (const std::error_code failed = run_while(running)) {
            return unexpected(failed);
        }
        if constexpr (std::is_void_v<T>) {
            running.take();
            return {};
        } else {
            return running.take();
        }
    }

    /// For the library itself.
    [[nodiscard]] detail::loop_core* core() const noexcept { return core_; }

private:
    template <class T>
    detail::promise<T>& start_root(task<T>&& work) noexcept {
        auto& root = std::coroutine_handle<detail::promise<T>>::from_address(
                         detail::task_access::release(std::move(work)))
                         .promise();
        adopt_root(root);
        return root;
    }
    // Given back where the function's own constructor throws.
    struct unposted {
        detail::posted_memory own;
        std::size_t size;
        ~unposted() {
            if (own.at != nullptr) {
                detail::return_unposted(own, size);
            }
        }
    };
    THOLE_API void adopt_root(detail::promise_base& root) noexcept;
    [[nodiscard]] THOLE_API detail::posted_memory take_memory(std::size_t size);
    THOLE_API void enqueue(detail::runnable& node, std::uintptr_t home) noexcept;
    THOLE_API result<std::size_t> run_within(deadline until);
    THOLE_API std::error_code run_while(const detail::spawned_base& running);

    detail::loop_core* core_;
};

}  // namespace thole
