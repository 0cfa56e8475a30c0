// SPDX-License-Identifier: BSL-1.0
/// \file
/// Values from task to task, in order, never more than so many.
#pragma once

#include <cstddef>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <thole/await.hpp>
#include <thole/deadline.hpp>
#include <thole/loop.hpp>
#include <thole/result.hpp>
#include <thole/wait_list.hpp>

namespace thole {

template <class T>
class queue;

/// The operation behind queue::push().
template <class T>
class push_op : public detail::waiting_operation {
public:
    using result_type = result<void>;
    push_op() noexcept : waiting_operation(pushing) {}
    push_op(queue<T>& to, T&& item, deadline until) noexcept : push_op() {
        to_ = &to;
        item_ = &item;
        this->reset(verb::push, nullptr, until);
    }
    /// For a callback, which has no task to take the loop from.
    void prepare(loop& in, queue<T>& to, T&& item, deadline until = {}) noexcept {
        to_ = &to;
        item_ = &item;
        this->reset(verb::push, in.core(), until);
    }
    [[nodiscard]] result<void> take() noexcept { return this->done(); }

private:
    friend class queue<T>;
    static bool start(local_operation& op) noexcept {
        auto& self = static_cast<push_op&>(op);
        return self.to_->start_push(self);
    }
    static constexpr detail::local_methods pushing{&start, &waiting_operation::leave};

    queue<T>* to_ = nullptr;
    T* item_ = nullptr;
};

/// The operation behind queue::pop().
template <class T>
class pop_op : public detail::waiting_operation {
public:
    using result_type = result<T>;
    pop_op() noexcept : waiting_operation(popping) {}
    pop_op(queue<T>& from, deadline until) noexcept : pop_op() {
        from_ = &from;
        this->reset(verb::pop, nullptr, until);
    }
    /// For a callback, which has no task to take the loop from.
    void prepare(loop& in, queue<T>& from, deadline until = {}) noexcept {
        from_ = &from;
        item_.reset();
        this->reset(verb::pop, in.core(), until);
    }
    [[nodiscard]] result<T> take() noexcept {
        if (this->error != 0) {
            return unexpected(this->failure());
        }
        result<T> got(std::move(*item_));
        item_.reset();
        return got;
    }

private:
    friend class queue<T>;
    static bool start(local_operation& op) noexcept {
        auto& self = static_cast<pop_op&>(op);
        return self.from_->start_pop(self);
    }
    static constexpr detail::local_methods popping{&start, &waiting_operation::leave};

    queue<T>* from_ = nullptr;
    std::optional<T> item_;
};

/// A bounded queue between tasks or callbacks of one loop, on its thread (from another one: post).
/// A full one makes who pushes wait, an empty one who pops: back-pressure without a line of code.
/// First come, first served on both sides. Its memory is taken once, when it is made. Not movable.
///
/// Nothing is lost: an item is moved from only when it was taken, and one that was handed over is
/// the result, also when a cancel or a deadline came meanwhile.
template <class T>
class queue {
    static_assert(std::is_object_v<T> && std::is_nothrow_move_constructible_v<T>,
                  "an item moves without an exception");

public:
    /// Holds `capacity` items; 0: each push waits for the pop that takes its item. Throws
    /// std::bad_alloc.
    explicit queue(std::size_t capacity)
        : items_(capacity > 0 ? static_cast<T*>(::operator new (capacity * sizeof(T),
                                                                std::align_val_t{alignof(T)}))
                              : nullptr),
          capacity_(capacity) {}
    queue(const queue&) = delete;
    queue& operator=(const queue&) = delete;
    /// Who still waits finishes with errc::closed.
    ~queue() {
        close();
        while (size_ > 0) {
            drop_front();
        }
        ::operator delete (items_, std::align_val_t{alignof(T)});
    }

    /// Puts `item` at the end, and waits for room while there is none. `item` is the caller's and
    /// stays at its place until then; after a failure it is untouched. Ends: errc::cancelled,
    /// errc::deadline_reached, errc::closed, operation_not_permitted (another loop's tasks wait).
    [[nodiscard]] awaitable<push_op<T>> push(T&& item, deadline until = never) noexcept {
        return awaitable<push_op<T>>(*this, std::move(item), until);
    }
    /// Takes the first item, and waits for one while there is none. Ends as push() does;
    /// errc::closed only once a closed queue is empty.
    [[nodiscard]] awaitable<pop_op<T>> pop(deadline until = never) noexcept {
        return awaitable<pop_op<T>>(*this, until);
    }
    /// Puts `item` at the end where that can be done now. False: it is untouched.
    [[nodiscard]] bool try_push(T&& item) noexcept { return !closed_ && place(item); }
    /// Takes the first item, if there is one.
    [[nodiscard]] std::optional<T> try_pop() noexcept {
        std::optional<T> item;
        static_cast<void>(fetch(item));
        return item;
    }

    /// Takes no more: who waits finishes with errc::closed, and so does each push after. What is
    /// in it can still be popped. Again: nothing.
    void close() noexcept {
        closed_ = true;
        pushing_.close();
        popping_.close();
    }
    /// Takes no more.
    [[nodiscard]] bool closed() const noexcept { return closed_; }
    /// The items in it now.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// The items that it has room for.
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

private:
    friend class push_op<T>;
    friend class pop_op<T>;

    // To who waits, or into the ring; never past others, for while there is room nobody waits.
    bool place(T& item) noexcept {
        if (!popping_.empty()) {
            auto& taker = static_cast<pop_op<T>&>(*popping_.front());
            taker.item_.emplace(std::move(item));
            popping_.finish(taker);
            return true;
        }
        if (size_ == capacity_) {
            return false;
        }
        ::new (static_cast<void*>(&items_[(first_ + size_) % capacity_])) T(std::move(item));
        ++size_;
        return true;
    }
    // From the ring, or from who waits for room.
    bool fetch(std::optional<T>& item) noexcept {
        const bool had = size_ > 0;
        if (had) {
            item.emplace(std::move(items_[first_]));
            drop_front();
        }
        if (!pushing_.empty()) {
            auto& giver = static_cast<push_op<T>&>(*pushing_.front());
            if (had) {
                static_cast<void>(place(*giver.item_));
            } else {
                item.emplace(std::move(*giver.item_));
            }
            pushing_.finish(giver);
            return true;
        }
        return had;
    }
    bool start_push(push_op<T>& op) noexcept {
        if (closed_) {
            op.end_with(errc::closed);
            return true;
        }
        return place(*op.item_) || !pushing_.enter(op);
    }
    bool start_pop(pop_op<T>& op) noexcept {
        if (fetch(op.item_)) {
            return true;
        }
        if (closed_) {
            op.end_with(errc::closed);
            return true;
        }
        return !popping_.enter(op);
    }
    void drop_front() noexcept {
        items_[first_].~T();
        first_ = (first_ + 1) % capacity_;
        --size_;
    }

    detail::wait_list pushing_;
    detail::wait_list popping_;
    T* items_;
    std::size_t capacity_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
    bool closed_ = false;
};

}  // namespace thole
