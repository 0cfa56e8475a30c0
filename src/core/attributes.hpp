// SPDX-License-Identifier: BSL-1.0
// Hints to the compiler; without them everything works the same.
#pragma once

#if defined(__GNUC__)
// Keeps a function out of its callers, so that a short way stays short.
#define THOLE_APART [[gnu::noinline]]
#else
#define THOLE_APART
#endif

#if defined(__ELF__)
// Of this library alone: reached without the detour through a table.
#define THOLE_INSIDE [[gnu::visibility("hidden")]]
#else
#define THOLE_INSIDE
#endif
