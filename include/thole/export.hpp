// SPDX-License-Identifier: BSL-1.0
/// \file
/// THOLE_API marks what the compiled library offers, THOLE_APART what compilers shall not spread
/// into its callers.
#pragma once

#if defined(_WIN32)
// Exported when we build a DLL, never marked dllimport: no data is exported, functions link through
// their thunks, and one set of headers serves the static and the shared library.
#if defined(THOLE_BUILDING) && !defined(THOLE_STATIC)
#define THOLE_API __declspec(dllexport)
#else
#define THOLE_API
#endif
#elif defined(__GNUC__)
#define THOLE_API __attribute__((visibility("default")))
#else
#define THOLE_API
#endif

#if defined(__GNUC__)
#define THOLE_APART __attribute__((noinline))
#else
#define THOLE_APART
#endif
