// SPDX-License-Identifier: BSL-1.0
// Hints to the compiler; without them everything works the same.
#pragma once

#include <thole/export.hpp>  // THOLE_APART

#if defined(__ELF__)
// Of this library alone: reached without the detour through a table.
#define THOLE_INSIDE [[gnu::visibility("hidden")]]
#else
#define THOLE_INSIDE
#endif

namespace thole::detail {

// What tells this thread from all others that live.
using thread_mark = const void*;

#if defined(__ELF__) && (defined(__x86_64__) || defined(__aarch64__))
inline thread_mark this_thread() noexcept { return __builtin_thread_pointer(); }  // one instruction
#else
inline thread_mark this_thread() noexcept {
    thread_local char mark;
    return &mark;
}
#endif

}  // namespace thole::detail
