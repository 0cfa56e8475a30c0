// SPDX-License-Identifier: BSL-1.0
// A script in the place of the system: what each call gives, and a record of what was asked.
// posix/sys.hpp and win/sys.hpp beside this file put it under the platform's room.
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <type_traits>
#include <vector>

namespace thole::script {

// One call of the library to the system: the arguments that matter, and how it ended.
struct call {
    std::string_view name;
    std::intptr_t handle = -1;
    int level = 0;  // setsockopt, getsockopt
    // The same; epoll_ctl: what is done; WSASocketW: family; send…: flags; AcceptEx, with `level`:
    // the lengths of its two names.
    int option = 0;
    std::uint64_t code = 0;            // WSAIoctl: the code; epoll_ctl: the mark
    std::vector<unsigned char> value;  // what goes in: an option's value, a socket address
    std::size_t most = 0;              // bytes asked for; entries of `out`
    void* out = nullptr;               // what comes out: events, packets, an OVERLAPPED
    std::intptr_t result = 0;
    int error = 0;
};

// An answer. Made by on(); by default it answers the next call of that name, once.
class rule {
public:
    // Of the calls that match from now on: the first that it answers, counted from 0.
    rule& from(int index) { return skip_ = index, *this; }
    rule& times(int count) { return left_ = count, *this; }
    rule& forever() { return times(INT_MAX); }
    // Only calls of which this is true.
    rule& when(std::function<bool(const call&)> test) { return test_ = std::move(test), *this; }
    // Only after so many further calls of any name.
    rule& later(int calls) { return delay_ = calls, *this; }

    // This result and this error, without asking the system; `after_it` asks it, and lies.
    rule& gives(std::intptr_t result, int error = 0);
    rule& after_it() { return asks_ = true, *this; }
    // The system, with at most so many bytes.
    rule& cut(std::size_t bytes) { return cut_ = bytes, *this; }
    // This function in the system's place; it may set `error`.
    rule& instead(std::function<std::intptr_t(call&)> act) {
        return instead_ = std::move(act), *this;
    }
    // Sees how the call ended, and may change it.
    rule& then(std::function<void(call&)> look) { return then_ = std::move(look), *this; }

    [[nodiscard]] int used() const { return used_; }

private:
    friend class stage;
    std::string_view name_;
    int skip_ = 0;
    int left_ = 1;
    int used_ = 0;
    long delay_ = 0;
    std::size_t cut_ = SIZE_MAX;
    bool lies_ = false;
    bool asks_ = false;
    std::intptr_t result_ = 0;
    int error_ = 0;
    std::function<bool(const call&)> test_;
    std::function<std::intptr_t(call&)> instead_;
    std::function<void(call&)> then_;
};

// A new answer for calls of that name; the first rule that matches answers. It lives until reset().
rule& on(std::string_view name);
// For calls of any name: with from(n) and `instead`, the nth call of all.
rule& on_any();
// Forgets all rules and the record.
void reset();
// The calls of that name so far, the oldest first; all of them without a name.
[[nodiscard]] std::vector<call> calls(std::string_view name = {});
[[nodiscard]] std::size_t count(std::string_view name);

// What a call meets. `instead` and `then` run without the lock: they may call the library.
struct answer {
    bool lies = false;
    bool asks = true;
    std::intptr_t result = 0;
    int error = 0;
    std::size_t cut = SIZE_MAX;
    std::function<std::intptr_t(call&)> instead;
    std::function<void(call&)> then;
};
[[nodiscard]] answer choose(const call& asked);
void note(call&& ended);

template <class To>
To convert(std::intptr_t value) noexcept {
    if constexpr (std::is_pointer_v<To>) {
        return reinterpret_cast<To>(value);
    } else {
        return static_cast<To>(value);
    }
}
template <class From>
std::intptr_t as_result(From value) noexcept {
    if constexpr (std::is_pointer_v<From>) {
        return reinterpret_cast<std::intptr_t>(value);
    } else {
        return static_cast<std::intptr_t>(value);
    }
}

// Makes the call. `LastError` gets and sets the thread's error; `system(asked)` is the real thing.
template <class LastError, class System>
auto perform(call asked, System&& system) {
    using to = std::invoke_result_t<System, call&>;
    const answer met = choose(asked);
    if (met.instead) {
        asked.error = 0;
        asked.result = met.instead(asked);
    } else {
        if (met.cut < asked.most) {
            asked.most = met.cut;
        }
        if (met.asks) {
            asked.result = as_result(system(asked));
            asked.error = LastError::get();
        }
        if (met.lies) {
            asked.result = met.result;
            asked.error = met.error;
        }
    }
    if (met.then) {
        met.then(asked);
    }
    const int error = asked.error;
    const auto result = convert<to>(asked.result);
    note(std::move(asked));
    LastError::set(error);
    return result;
}

}  // namespace thole::script
