// SPDX-License-Identifier: BSL-1.0
// Keeps a function out of its callers, so that a short way stays short.
#pragma once

#if defined(__GNUC__)
#define THOLE_APART [[gnu::noinline]]
#else
#define THOLE_APART
#endif
