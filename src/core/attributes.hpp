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
