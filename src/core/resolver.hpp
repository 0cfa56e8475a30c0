// SPDX-License-Identifier: BSL-1.0
// The threads that ask the system for names, which blocks: a few for the whole process.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <system_error>

#include <thole/resolve.hpp>

#include "core/loop_core.hpp"

namespace thole::detail {

class resolver;

// What the system is asked, and what it said. Two own it: the operation, and from the asking on the
// resolver, or the queue of the loop once it is answered. So neither needs the other to live
// (R129).
struct lookup : runnable {
    static constexpr std::size_t longest_host = 253;
    static constexpr std::size_t longest_service = 63;
    enum class phase : std::uint8_t { idle, queued, running, answered, abandoned };

    // ---- The question.
    char host[longest_host + 2] = {};  // empty: the service alone; one more for a last dot
    char service[longest_service + 1] = {};
    std::uint16_t port = 0;
    bool numeric = false;  // an address, for whose zone no server is to be asked

    // ---- The answer: of the thread that runs it, then of the loop's.
    endpoint_list found;
    std::error_code failed;

    // ---- The loop's.
    loop_core* core = nullptr;
    resolve_op* waiting = nullptr;

    // ---- The resolver's, under its lock.
    resolver* asked = nullptr;
    lookup* later = nullptr;
    lookup* earlier = nullptr;
    phase at = phase::idle;

    std::atomic<unsigned> owners{1};
    void release() noexcept {
        if (owners.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            delete this;
        }
    }

    // Its turn in the loop's queue: the answer has come.
    static void told(runnable& self, turn how);
};

// One a process. Never destroyed: a thread may be stuck in it when the process ends.
class resolver {
public:
    static constexpr std::size_t most_awaited = 4;
    static constexpr std::size_t most_threads = 36;  // with those that are stuck

    // Null: no memory. A forked child has one of its own: the parent's threads are not in it, and
    // its lock may be held for ever.
    [[nodiscard]] static resolver* of_process() noexcept;

    // False: no thread could be made. Loop's thread.
    [[nodiscard]] bool ask(lookup& question) noexcept;
    // Nobody waits for it any more: when this returns no thread of ours touches the loop on its
    // behalf. True: it had been answered. Loop's thread.
    bool abandon(lookup& question) noexcept;
    // The thread that answered has left the loop alone since. Loop's thread.
    void settle() noexcept;

    struct figures {
        std::size_t started = 0;  // threads, ever
        std::size_t threads = 0;  // now
        std::size_t stuck = 0;    // of them, with a question that was abandoned
        std::size_t waiting = 0;  // questions
    };
    [[nodiscard]] figures look() noexcept;

private:
    resolver() noexcept = default;
    [[nodiscard]] bool is_ours() const noexcept { return forks_ == fork_count; }
    [[nodiscard]] bool man() noexcept;
    [[nodiscard]] bool start_thread() noexcept;
    [[nodiscard]] lookup* next() noexcept;
    void remove(lookup& question) noexcept;
    void work() noexcept;

    const unsigned forks_ = fork_count;
    resolver* parents_ = nullptr;  // kept within reach of leak checkers
    std::mutex mutex_;
    lookup* first_ = nullptr;
    lookup* last_ = nullptr;
    figures now_;
};

// ---- The platform's part (src/posix/resolve.cpp, src/win/resolve.cpp).

// Asks the system and blocks; on a thread of the resolver. Fills `found` or `failed`.
void look_up(lookup& question) noexcept;
// From now on the code of this library stays in memory until the process ends, although whoever
// loaded it may unload it: a thread may be stuck in it.
void keep_loaded() noexcept;

// Adds an address that is there for the first time, with the question's port.
void add_found(lookup& question, const endpoint& address) noexcept;

}  // namespace thole::detail
