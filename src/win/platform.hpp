// SPDX-License-Identifier: BSL-1.0
// The headers of the system. No other file of this room includes one.
#pragma once

// The order matters: winsock2.h before windows.h, the extensions after both.
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <mswsock.h>
#include <mstcpip.h>
