// SPDX-License-Identifier: BSL-1.0
// THOLE_API marks what the compiled library offers. Users of a static library on
// Windows define THOLE_STATIC (the build's own dependency object does it for them).
#pragma once

#if defined(_WIN32) && !defined(THOLE_STATIC)
#ifdef THOLE_BUILDING
#define THOLE_API __declspec(dllexport)
#else
#define THOLE_API __declspec(dllimport)
#endif
#elif !defined(_WIN32) && defined(__GNUC__)
#define THOLE_API __attribute__((visibility("default")))
#else
#define THOLE_API
#endif
