// SPDX-License-Identifier: BSL-1.0
#include "core/resolver.hpp"

#include <algorithm>
#include <new>
#include <thread>

namespace thole::detail {

resolver* resolver::of_process() noexcept {
    static constinit std::atomic<resolver*> current{nullptr};  // R22: nothing to destroy
    resolver* known = current.load(std::memory_order_acquire);
    if (known != nullptr && known->is_ours()) {
        return known;
    }
    auto* made = new (std::nothrow) resolver;
    if (made == nullptr) {
        return nullptr;
    }
    made->parents_ = known;
    if (current.compare_exchange_strong(known, made, std::memory_order_acq_rel)) {
        keep_loaded();
        return made;
    }
    delete made;
    return known;
}

// ---- The queue. Under the lock.

lookup* resolver::next() noexcept {
    lookup* question = first_;
    if (question != nullptr) {
        remove(*question);
    }
    return question;
}

void resolver::remove(lookup& question) noexcept {
    (question.earlier != nullptr ? question.earlier->later : first_) = question.later;
    (question.later != nullptr ? question.later->earlier : last_) = question.earlier;
    question.earlier = nullptr;
    question.later = nullptr;
    --now_.waiting;
}

// Sees to it that somebody works on what waits. A thread that is stuck with what nobody waits for
// is replaced. False: nobody does, and no thread could be made.
bool resolver::man() noexcept {
    const std::size_t able = now_.threads - now_.stuck;
    if (first_ == nullptr || able >= most_awaited || now_.threads >= most_threads) {
        return true;
    }
    return start_thread() || able > 0;
}

bool resolver::start_thread() noexcept {
#if defined(__cpp_exceptions)
    try {
#endif
        std::thread(&resolver::work, this).detach();
#if defined(__cpp_exceptions)
    } catch (const std::system_error&) {
        return false;
    } catch (const std::bad_alloc&) {
        return false;
    }
#endif
    ++now_.threads;
    ++now_.started;
    return true;
}

// ---- The loop's side.

bool resolver::ask(lookup& question) noexcept {
    const std::lock_guard lock(mutex_);
    question.asked = this;
    question.at = lookup::phase::queued;
    question.earlier = last_;
    (last_ != nullptr ? last_->later : first_) = &question;
    last_ = &question;
    ++now_.waiting;
    if (!man()) {
        remove(question);
        question.at = lookup::phase::idle;
        return false;
    }
    question.owners.fetch_add(1, std::memory_order_relaxed);
    return true;
}

bool resolver::abandon(lookup& question) noexcept {
    if (!is_ours()) {
        return false;
    }
    const std::lock_guard lock(mutex_);
    switch (question.at) {
    case lookup::phase::queued:
        remove(question);
        question.at = lookup::phase::abandoned;
        question.release();  // the operation owns it still
        break;
    case lookup::phase::running:
        question.at = lookup::phase::abandoned;
        ++now_.stuck;
        static_cast<void>(man());
        break;
    case lookup::phase::answered:
        return true;
    case lookup::phase::idle:
    case lookup::phase::abandoned:
        break;
    }
    return false;
}

void resolver::settle() noexcept {
    if (is_ours()) {
        const std::lock_guard lock(mutex_);
    }
}

resolver::figures resolver::look() noexcept {
    const std::lock_guard lock(mutex_);
    return now_;
}

// ---- The threads' side.

// Until nothing waits, or until others have taken its place.
void resolver::work() noexcept {
    std::unique_lock lock(mutex_);
    while (now_.threads - now_.stuck <= most_awaited) {
        lookup* question = next();
        if (question == nullptr) {
            break;
        }
        question->at = lookup::phase::running;
        lock.unlock();
        look_up(*question);
        lock.lock();
        if (question->at == lookup::phase::abandoned) {
            --now_.stuck;
            question->release();
        } else {
            // Under the lock, so that the loop cannot end before it has been woken.
            question->at = lookup::phase::answered;
            question->core->enqueue(*question);
        }
    }
    --now_.threads;
}

void add_found(lookup& question, const endpoint& address) noexcept {
    const endpoint where = question.service[0] != '\0' ? address : address.with_port(question.port);
    if (where &&
        std::find(question.found.begin(), question.found.end(), where) == question.found.end()) {
        question.found.push_back(where);
    }
}

}  // namespace thole::detail
