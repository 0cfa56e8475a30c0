// SPDX-License-Identifier: BSL-1.0
// From a signal's handler to the loops: a table of the process, whose places are never freed, so
// that a handler may look at them at any moment.
#include <thole/signal_set.hpp>

#include <atomic>
#include <bit>
#include <mutex>

#include "core/error_table.hpp"
#include "core/loop_core.hpp"
#include "core/signals.hpp"

namespace thole {
namespace detail {

struct signal_slot {
    // ---- The handler's part.
    std::atomic<unsigned> wanted{0};          // bits of kinds; none: nobody has this place
    std::atomic<unsigned> came{0};            // not told yet
    std::atomic<loop_core*> waking{nullptr};  // while a next() is pending
    std::atomic<bool> queued{false};          // the letter is on its way
    std::atomic<unsigned> forks{0};           // of which process
    runnable letter;

    // ---- That of who has it, on its loop's thread.
    signal_op* waiting = nullptr;
    loop_core* core = nullptr;
    bool taken = false;  // under the lock

    void tell(signal_op& op) noexcept;
    [[nodiscard]] bool start(signal_op& op) noexcept;
    void stop_waiting() noexcept;
    static void arrive(runnable& self, turn how);
};

namespace {

constexpr std::size_t most_sets = 32;

// R22: nothing to destroy, as a signal may come at any time.
struct registry {
    signal_slot slots[most_sets];
    std::atomic<unsigned> inside{0};  // handlers that look at the slots
    unsigned watchers[signal_kinds] = {};
};
constinit registry all;

std::mutex& lock_of_registry() noexcept {
    static std::mutex lock;
    return lock;
}

constexpr unsigned bit_of(signal_kind which) noexcept { return 1U << static_cast<unsigned>(which); }

// A handler that still sees what was there before is waited out: it is short, and waits for nobody.
void wait_for_handlers() noexcept {
    while (all.inside.load() != 0) {
        std::this_thread::yield();
    }
}

void unwatch(unsigned kinds) noexcept {
    for (unsigned i = 0; i < signal_kinds; ++i) {
        if ((kinds >> i & 1U) != 0 && --all.watchers[i] == 0) {
            unwatch_signal(static_cast<signal_kind>(i));
        }
    }
}

// All of them, or none.
std::error_code watch(unsigned kinds) noexcept {
    for (unsigned i = 0; i < signal_kinds; ++i) {
        if ((kinds >> i & 1U) == 0 || all.watchers[i]++ != 0) {
            continue;
        }
        if (const std::error_code failed = watch_signal(static_cast<signal_kind>(i))) {
            --all.watchers[i];
            unwatch(kinds & ((1U << i) - 1));
            return failed;
        }
    }
    return {};
}

signal_slot* take_slot(loop_core& core) noexcept {
    for (signal_slot& slot : all.slots) {
        if (!slot.taken && !slot.queued.load()) {
            slot.taken = true;
            slot.core = &core;
            slot.came.store(0);
            slot.forks.store(fork_count);
            slot.letter.act = &signal_slot::arrive;
            return &slot;
        }
    }
    return nullptr;
}

}  // namespace

bool signal_came(signal_kind which) noexcept {
    const unsigned bit = bit_of(which);
    bool wanted = false;
    all.inside.fetch_add(1);
    for (signal_slot& slot : all.slots) {
        if ((slot.wanted.load() & bit) == 0 || slot.forks.load() != fork_count) {  // R78
            continue;
        }
        wanted = true;
        slot.came.fetch_or(bit);
        loop_core* core = slot.waking.load();
        if (core != nullptr && !slot.queued.exchange(true)) {
            core->enqueue_outside(slot.letter);  // R130: an exchange, and a write to the waker
        }
    }
    all.inside.fetch_sub(1);
    return wanted;
}

void signal_slot::arrive(runnable& self, turn how) {
    for (signal_slot& slot : all.slots) {
        if (&slot.letter != &self) {
            continue;
        }
        slot.queued.store(false);  // before it is looked for what has come
        if (how == turn::run && slot.waiting != nullptr && slot.came.load() != 0) {
            signal_op& op = *slot.waiting;
            slot.stop_waiting();
            slot.tell(op);
            slot.core->finish_local(op);
        }
    }
}

void signal_slot::tell(signal_op& op) noexcept {
    const auto first = static_cast<unsigned>(std::countr_zero(came.load()));
    came.fetch_and(~(1U << first));
    op.which_ = static_cast<signal_kind>(first);
    settle_done(op);
}

// True: settled.
bool signal_slot::start(signal_op& op) noexcept {
    if (waiting != nullptr) {
        settle_own(op, errc::operation_in_progress);
        return true;
    }
    waiting = &op;
    waking.store(core);
    if (came.load() == 0) {  // asked after the handler was told whom to wake
        return false;
    }
    stop_waiting();
    tell(op);
    return true;
}

void signal_slot::stop_waiting() noexcept {
    waiting = nullptr;
    waking.store(nullptr);
    wait_for_handlers();
}

}  // namespace detail

std::string_view to_string(signal_kind which) noexcept {
    constexpr std::string_view names[] = {"interrupt", "terminate", "hangup",
                                          "user1",     "user2",     "control break"};
    return names[static_cast<std::size_t>(which)];
}

// ---- Waiting.

constexpr detail::local_methods signal_op::how{&start, &leave};

signal_op::signal_op() noexcept : local_operation(how) {}

void signal_op::prepare(signal_set& of, deadline until) noexcept {
    slot_ = of.slot_;
    reset(verb::next_signal, slot_ != nullptr ? slot_->core : nullptr, until);
}

bool signal_op::start(local_operation& op) noexcept {
    auto& self = static_cast<signal_op&>(op);
    if (self.slot_ == nullptr) {
        settle_own(self, errc::closed);
        return true;
    }
    return self.slot_->start(self);
}

bool signal_op::leave(local_operation& op) noexcept {
    static_cast<signal_op&>(op).slot_->stop_waiting();
    return true;
}

result<signal_kind> signal_op::take() noexcept {
    if (const std::error_code ended = outcome()) {
        return unexpected(ended);
    }
    return which_;
}

// ---- Sets.

result<signal_set> signal_set::open(loop& on, std::initializer_list<signal_kind> which) noexcept {
    unsigned kinds = 0;
    for (const signal_kind each : which) {
        kinds |= detail::bit_of(each);
    }
    if (const std::error_code failed = on.error()) {
        return unexpected(failed);
    }
    if (kinds == 0 || kinds >= 1U << detail::signal_kinds) {
        return unexpected(std::errc::invalid_argument);
    }
    const std::lock_guard held(detail::lock_of_registry());
    signal_set made;
    detail::signal_slot* slot = detail::take_slot(*on.core());
    if (slot == nullptr) {
        return unexpected(errc::limit_reached);
    }
    slot->wanted.store(kinds);  // before the first can come
    if (const std::error_code failed = detail::watch(kinds)) {
        slot->wanted.store(0);
        slot->taken = false;
        return unexpected(failed);
    }
    made.slot_ = slot;
    return made;
}

void signal_set::close() noexcept {
    detail::signal_slot* slot = std::exchange(slot_, nullptr);
    if (slot == nullptr) {
        return;
    }
    if (signal_op* op = slot->waiting) {
        slot->stop_waiting();
        settle_own(*op, errc::closed);
        slot->core->finish_local(*op);
    }
    const std::lock_guard held(detail::lock_of_registry());
    const unsigned kinds = slot->wanted.exchange(0);
    detail::wait_for_handlers();
    detail::unwatch(kinds);
    slot->taken = false;
}

}  // namespace thole
