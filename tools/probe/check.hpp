// SPDX-License-Identifier: BSL-1.0
// The probing itself, and the demo: thole's public interface and nothing else.
#pragma once

#include <vector>

#include "words.hpp"

namespace probe {

/// Probes `into.of` as `into.asked` says and fills in the rest.
[[nodiscard]] thole::task<> probe_one(thole::loop& on, finding& into);

/// Probes all at once. On a loop that does not work every target is a local error.
[[nodiscard]] std::vector<finding> check(thole::loop& on, const std::vector<target>& targets,
                                         const limits& asked);

/// Probes four peers of its own. Throws std::system_error where a peer cannot be made.
[[nodiscard]] std::vector<demonstration> demo(thole::loop& on);

}  // namespace probe
