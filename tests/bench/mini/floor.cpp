// SPDX-License-Identifier: BSL-1.0
// What every user of coroutines, time and error codes includes anyway: the measure for the others.
#include <chrono>
#include <coroutine>
#include <span>
#include <string_view>
#include <system_error>

int main() {}
