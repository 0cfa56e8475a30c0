// SPDX-License-Identifier: BSL-1.0
/// \file
/// Coroutines of a loop.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <type_traits>
#include <utility>

#include <thole/await.hpp>
#include <thole/operation.hpp>

namespace thole {

template <class T = void>
class task;
template <class T = void>
class spawned;

namespace detail {

/// Frames come from a pool of the thread, in classes of size.
[[nodiscard]] THOLE_API void* allocate_frame(std::size_t size);
THOLE_API void release_frame(void* frame, std::size_t size) noexcept;

/// A child starts on behalf of `parent`; `owner` is the pointer that owns its frame. Gives the
/// coroutine to go on with: the child, or none while the budget of this dispatch is spent.
[[nodiscard]] THOLE_API std::coroutine_handle<>
enter_child(promise_base& parent, promise_base& child, void** owner) noexcept;
/// A task has ended; gives the coroutine to go on with.
[[nodiscard]] THOLE_API std::coroutine_handle<> task_ended(promise_base& ended,
                                                           std::exception_ptr* failed) noexcept;
/// Asks what this task awaits to end; the task stays cancelled.
THOLE_API void cancel_task(promise_base& task, reason why) noexcept;

/// What a task leaves: a value or an exception.
template <class T>
class outcome {
public:
    outcome() noexcept {}  // NOLINT: the union starts empty
    outcome(const outcome&) = delete;
    outcome& operator=(const outcome&) = delete;
    ~outcome() {
        if (kind_ == kind::value) {
            value_.~T();
        } else if (kind_ == kind::failure) {
            failure_.~exception_ptr();
        }
    }

    template <class U>
    requires std::constructible_from<T, U>
    void return_value(U&& value) {
        ::new (static_cast<void*>(&value_)) T(std::forward<U>(value));
        kind_ = kind::value;
    }
    void fail(std::exception_ptr failure) noexcept {
        ::new (static_cast<void*>(&failure_)) std::exception_ptr(std::move(failure));
        kind_ = kind::failure;
    }
    [[nodiscard]] std::exception_ptr* failure() noexcept {
        return kind_ == kind::failure ? &failure_ : nullptr;
    }
    [[nodiscard]] T take() {
        if (kind_ == kind::failure) {
            std::rethrow_exception(failure_);
        }
        return std::move(value_);
    }

private:
    enum class kind : unsigned char { empty, value, failure };
    union {
        T value_;
        std::exception_ptr failure_;
    };
    kind kind_ = kind::empty;
};

template <>
class outcome<void> {
public:
    void return_void() noexcept {}
    void fail(std::exception_ptr failure) noexcept { failure_ = std::move(failure); }
    [[nodiscard]] std::exception_ptr* failure() noexcept { return failure_ ? &failure_ : nullptr; }
    void take() {
        if (failure_) {
            std::rethrow_exception(failure_);
        }
    }

private:
    std::exception_ptr failure_;
};

template <class T>
struct promise : promise_base, outcome<T> {
    struct final_awaiter {
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        [[nodiscard]] std::coroutine_handle<>
        await_suspend(std::coroutine_handle<promise> ended) const noexcept {
            return task_ended(ended.promise(), ended.promise().failure());
        }
        void await_resume() const noexcept {}
    };

    [[nodiscard]] task<T> get_return_object() noexcept;
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] final_awaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { this->fail(std::current_exception()); }

    [[nodiscard]] static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* frame, std::size_t size) noexcept {
        release_frame(frame, size);
    }
};

/// Awaits a task from another one, and owns its frame meanwhile.
template <class T>
class child_awaiter {
public:
    explicit child_awaiter(void* frame) noexcept : frame_(frame) {}
    child_awaiter(const child_awaiter&) = delete;
    child_awaiter& operator=(const child_awaiter&) = delete;
    ~child_awaiter() {
        if (frame_ != nullptr) {
            handle().destroy();
        }
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    [[nodiscard]] std::coroutine_handle<>
    await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        static_assert(std::derived_from<Promise, promise_base>,
                      "a thole::task is awaited by a thole::task; a coroutine of another type may "
                      "await operations, and loop::spawn or loop::block_on start a task");
        return enter_child(waiting.promise(), child(), &frame_);
    }
    T await_resume() { return child().take(); }

protected:
    [[nodiscard]] std::coroutine_handle<promise<T>> handle() const noexcept {
        return std::coroutine_handle<promise<T>>::from_address(frame_);
    }
    [[nodiscard]] promise<T>& child() const noexcept { return handle().promise(); }

private:
    void* frame_;
};

struct task_access;

}  // namespace detail

/// A lazy coroutine of one loop: it runs when it is awaited by another task, or given to
/// loop::spawn or loop::block_on. Move-only; a task that never started may be dropped. Its frame is
/// destroyed only after what it awaits has finished. An exception reaches who awaits it.
///
/// g++ 12 miscompiles `if (co_await f())`, and while and switch alike, where the function declares
/// no variable at all (GCC bug 106188): name the result, `auto n = co_await f();`.
///
/// Cancelling a task ends what it awaits now, and each thing it awaits later finishes at once with
/// errc::cancelled, so that it can clean up; `shield` (with_deadline.hpp) lifts that for one task.
template <class T>
class [[nodiscard]] task {
    static_assert(std::is_void_v<T> || std::is_object_v<T>, "a task gives a value or nothing");

public:
    using value_type = T;
    using promise_type = detail::promise<T>;

    task() noexcept = default;
    task(task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        if (this != &other) {
            drop();
            frame_ = std::exchange(other.frame_, nullptr);
        }
        return *this;
    }
    ~task() { drop(); }

    [[nodiscard]] explicit operator bool() const noexcept { return frame_ != nullptr; }

    /// Runs it as a part of the awaiting task, and gives its value. Once.
    [[nodiscard]] detail::child_awaiter<T> operator co_await() && noexcept {
        return detail::child_awaiter<T>(std::exchange(frame_, nullptr));
    }

private:
    friend promise_type;
    friend struct detail::task_access;
    explicit task(void* frame) noexcept : frame_(frame) {}
    void drop() noexcept {
        if (frame_ != nullptr) {
            std::coroutine_handle<promise_type>::from_address(frame_).destroy();
        }
    }

    void* frame_ = nullptr;
};

namespace detail {

/// For what starts tasks: takes the frame out of one.
struct task_access {
    template <class T>
    [[nodiscard]] static void* release(task<T>&& work) noexcept {
        return std::exchange(work.frame_, nullptr);
    }
};

template <class T>
task<T> promise<T>::get_return_object() noexcept {
    static_assert(alignof(promise) <= 2 * sizeof(void*), "a frame has no larger alignment");
    return task<T>(self().address());
}

/// The part of `spawned` that does not depend on the type.
class spawned_base {
public:
    spawned_base() noexcept = default;
    THOLE_API explicit spawned_base(promise_base& of) noexcept;
    THOLE_API spawned_base(spawned_base&& other) noexcept;
    THOLE_API spawned_base& operator=(spawned_base&& other) noexcept;
    THOLE_API ~spawned_base();

    /// Cancels the task: what it awaits finishes with errc::cancelled. Nothing once it has ended.
    THOLE_API void cancel() noexcept;
    /// It has ended, or its loop is gone.
    [[nodiscard]] THOLE_API bool ended() const noexcept;
    [[nodiscard]] explicit operator bool() const noexcept { return of_ != nullptr; }

protected:
    friend struct loop_core;
    friend std::coroutine_handle<> task_ended(promise_base&, std::exception_ptr*) noexcept;
    friend void destroy_upwards(promise_base&) noexcept;
    [[nodiscard]] THOLE_API std::coroutine_handle<> wait_for(promise_base& waiting) noexcept;
    /// Destroys the frame of a task that has ended, after its outcome was taken.
    THOLE_API void release() noexcept;

    promise_base* of_ = nullptr;

private:
    void detach() noexcept;

    std::exception_ptr* failed_ = nullptr;  // what the ended task left, in its frame
};

}  // namespace detail

/// A task that a loop runs by itself. Move-only; dropping it detaches the task, which goes on; an
/// exception that leaves a detached task leaves loop::run(). `co_await` it once, from a task of the
/// same loop, for its value or its exception. Loop's thread only.
template <class T>
class spawned : public detail::spawned_base {
    class awaiter {
    public:
        explicit awaiter(spawned& of) noexcept : of_(of) {}
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        template <class Promise>
        [[nodiscard]] std::coroutine_handle<>
        await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
            static_assert(std::derived_from<Promise, detail::promise_base>,
                          "a spawned task is awaited by a thole::task");
            return of_.wait_for(waiting.promise());
        }
        T await_resume() { return of_.take(); }

    private:
        spawned& of_;
    };

public:
    using value_type = T;
    spawned() noexcept = default;

    [[nodiscard]] awaiter operator co_await() noexcept { return awaiter(*this); }

private:
    friend class loop;
    explicit spawned(detail::promise<T>& of) noexcept : spawned_base(of) {}

    struct releaser {
        spawned& of;
        ~releaser() { of.release(); }
    };
    T take() {
        const releaser last{*this};
        return static_cast<detail::promise<T>&>(*of_).take();
    }
};

namespace detail {

struct yield_awaiter {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) const noexcept {
        static_assert(std::derived_from<Promise, promise_base>, "yield() is for a thole::task");
        requeue(waiting.promise());
    }
    void await_resume() const noexcept {}

private:
    THOLE_API static void requeue(promise_base& waiting) noexcept;
};

}  // namespace detail

/// Lets everything else that is ready run first. For a thole::task; cannot fail.
[[nodiscard]] inline detail::yield_awaiter yield() noexcept { return {}; }

}  // namespace thole
