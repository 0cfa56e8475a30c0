// SPDX-License-Identifier: BSL-1.0
/// \file
/// Several tasks at the same time: all of them, or until the first has ended.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <thole/await.hpp>
#include <thole/task.hpp>
#include <thole/task_group.hpp>

namespace thole {

/// The result of a task<void> where there must be a value.
struct nothing {
    friend bool operator==(nothing, nothing) noexcept = default;
};

/// What when_any gives: which task ended first, and what each of them gave, the cancelled ones too:
/// one that was asked to end may have had its effect before.
template <class Results>
struct first_of {
    std::size_t index = 0;  ///< of the task that ended first
    Results results;        ///< in the order of the tasks
};

namespace detail {

template <class T>
using value_or_nothing = std::conditional_t<std::is_void_v<T>, nothing, T>;

/// The frames of a group's tasks and their common end.
class group_awaiter {
public:
    group_awaiter(void** frames, std::size_t count, bool ends_with_first) noexcept
        : frames_(frames), count_(count) {
        group_.ends_with_first = ends_with_first;
    }
    group_awaiter(const group_awaiter&) = delete;
    group_awaiter& operator=(const group_awaiter&) = delete;

protected:
    ~group_awaiter() {
        for (std::size_t i = 0; i < count_; ++i) {
            if (frames_[i] != nullptr) {
                std::coroutine_handle<>::from_address(frames_[i]).destroy();
            }
        }
    }
    void begin(promise_base& waiting) noexcept { group_.core = waiting.core; }
    template <class T>
    void start(std::size_t i) noexcept {
        start_in_group(group_, promise_of<T>(i), &frames_[i]);
    }
    [[nodiscard]] bool wait(promise_base& waiting) noexcept {
        return wait_for_group(group_, waiting);
    }
    void rethrow() { rethrow_failure(group_); }

    template <class T>
    [[nodiscard]] promise<T>& promise_of(std::size_t i) const noexcept {
        return std::coroutine_handle<promise<T>>::from_address(frames_[i]).promise();
    }
    template <class T>
    [[nodiscard]] value_or_nothing<T> take(std::size_t i) {
        if constexpr (std::is_void_v<T>) {
            return {};
        } else {
            return promise_of<T>(i).take();
        }
    }
    template <class T>
    [[nodiscard]] bool won(std::size_t i) const noexcept {
        return group_.winner == &promise_of<T>(i);
    }

private:
    void** frames_;
    std::size_t count_;
    task_group group_;
};

/// A fixed number of tasks of different types.
template <class... T>
struct fixed_frames {
    std::array<void*, sizeof...(T)> frames;
};
template <bool First, class... T>
class [[nodiscard]] fixed_group : fixed_frames<T...>, group_awaiter {
public:
    using results = std::tuple<value_or_nothing<T>...>;

    explicit fixed_group(task<T>&&... work) noexcept
        : fixed_frames<T...>{{task_access::release(std::move(work))...}},
          group_awaiter(this->frames.data(), sizeof...(T), First) {}

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        static_assert(std::derived_from<Promise, promise_base>,
                      "when_all and when_any are awaited by a thole::task");
        begin(waiting.promise());
        std::size_t i = 0;
        (start<T>(i++), ...);
        return wait(waiting.promise());
    }
    auto await_resume() {
        rethrow();
        return finish(std::index_sequence_for<T...>{});
    }

private:
    template <std::size_t... I>
    auto finish(std::index_sequence<I...> /*all*/) {
        if constexpr (First) {
            std::size_t index = 0;
            static_cast<void>(((won<T>(I) ? (index = I, true) : false) || ...));
            return first_of<results>{index, results{take<T>(I)...}};
        } else {
            return results{take<T>(I)...};
        }
    }
};

/// Any number of tasks of one type.
struct counted_frames {
    std::vector<void*> frames;
};
template <bool First, class T>
class [[nodiscard]] counted_group : counted_frames, group_awaiter {
public:
    using results = std::vector<value_or_nothing<T>>;

    explicit counted_group(std::vector<task<T>>&& work)
        : counted_frames{released(work)}, group_awaiter(frames.data(), frames.size(), First) {}

    [[nodiscard]] bool await_ready() const noexcept { return frames.empty(); }
    template <class Promise>
    [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        static_assert(std::derived_from<Promise, promise_base>,
                      "when_all and when_any are awaited by a thole::task");
        begin(waiting.promise());
        for (std::size_t i = 0; i < frames.size(); ++i) {
            start<T>(i);
        }
        return wait(waiting.promise());
    }
    auto await_resume() {
        rethrow();
        std::size_t index = 0;
        results all;
        all.reserve(frames.size());
        for (std::size_t i = 0; i < frames.size(); ++i) {
            if (won<T>(i)) {
                index = i;
            }
            all.push_back(take<T>(i));
        }
        if constexpr (First) {
            return first_of<results>{index, std::move(all)};
        } else {
            return all;
        }
    }

private:
    static std::vector<void*> released(std::vector<task<T>>& work) {
        std::vector<void*> frames;
        frames.reserve(work.size());
        for (task<T>& each : work) {
            frames.push_back(task_access::release(std::move(each)));
        }
        return frames;
    }
};

template <class T>
[[nodiscard]] task<T> as_task(task<T>&& work) noexcept {
    return std::move(work);
}
/// An operation in a variable, which the caller keeps until it has ended.
template <class Op>
[[nodiscard]] task<typename Op::result_type> as_task(awaitable<Op>& op) {
    co_return co_await op;
}

template <class Work>
using task_of = decltype(as_task(std::declval<Work>()));

template <bool First, class... T>
[[nodiscard]] fixed_group<First, T...> make_group(task<T>&&... work) noexcept {
    return fixed_group<First, T...>(std::move(work)...);
}

}  // namespace detail

/// Runs all at the same time, as parts of the awaiting task, and gives a tuple of their values once
/// the last has ended (`nothing` for a task of void). Each argument is a task, or an operation in a
/// variable:
///
///     auto reading = peer.read(buffer);
///     auto [got, sent] = co_await when_all(reading, send_all(peer));
///
/// A cancel or a deadline from above reaches each of them. The first exception of one cancels the
/// others, and leaves here when all have ended.
template <class... Work>
requires(sizeof...(Work) > 0 && (requires(Work && work) {
             detail::as_task(std::forward<Work>(work));
         } && ...)) [[nodiscard]] auto when_all(Work&&... work) {
    return detail::make_group<false>(detail::as_task(std::forward<Work>(work))...);
}
/// The same for any number of tasks of one type: gives a vector of their values, in their order; an
/// empty one at once.
template <class T>
[[nodiscard]] detail::counted_group<false, T> when_all(std::vector<task<T>>&& work) {
    return detail::counted_group<false, T>(std::move(work));
}

/// Runs all at the same time until the first has ended, then cancels the others and waits for them.
/// Gives the index of the first and every result: what was cancelled may have had its effect before
/// (a byte read, a connection made), and that is not lost. Exceptions as with when_all.
template <class... Work>
requires(sizeof...(Work) > 0 && (requires(Work && work) {
             detail::as_task(std::forward<Work>(work));
         } && ...)) [[nodiscard]] auto when_any(Work&&... work) {
    return detail::make_group<true>(detail::as_task(std::forward<Work>(work))...);
}
/// The same for any number of tasks of one type. None: index 0 and an empty vector, at once.
template <class T>
[[nodiscard]] detail::counted_group<true, T> when_any(std::vector<task<T>>&& work) {
    return detail::counted_group<true, T>(std::move(work));
}

}  // namespace thole
