// SPDX-License-Identifier: BSL-1.0
// What the core and a platform tell each other of signals.
#pragma once

#include <cstddef>
#include <system_error>

#include <thole/signal_set.hpp>

namespace thole::detail {

inline constexpr std::size_t signal_kinds = 6;

// The platform's. From the first call for a kind until unwatch_signal() it calls signal_came().
[[nodiscard]] std::error_code watch_signal(signal_kind which) noexcept;
void unwatch_signal(signal_kind which) noexcept;

// It has come; false: no set of this process wants it. Any thread, and in a signal's handler: it
// locks nothing, allocates nothing, and leaves errno to its caller.
bool signal_came(signal_kind which) noexcept;

}  // namespace thole::detail
