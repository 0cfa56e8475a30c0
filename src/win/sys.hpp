// SPDX-License-Identifier: BSL-1.0
// Every function of the system that this room calls. A test build puts another header of this name
// in front of it and answers from a script; users' object code is that of direct calls.
#pragma once

#include "win/platform.hpp"

namespace thole::sys {

// Winsock
using ::bind;
using ::closesocket;
using ::FreeAddrInfoW;
using ::GetAddrInfoW;
using ::getpeername;
using ::getsockname;
using ::getsockopt;
using ::ioctlsocket;
using ::listen;
using ::setsockopt;
using ::shutdown;
using ::WSAGetLastError;
using ::WSAIoctl;
using ::WSAPoll;
using ::WSARecv;
using ::WSASend;
using ::WSASetLastError;
using ::WSASocketW;
using ::WSAStartup;

// The port
using ::CancelIoEx;
using ::CloseHandle;
using ::CreateIoCompletionPort;
using ::GetLastError;
using ::GetQueuedCompletionStatusEx;
using ::PostQueuedCompletionStatus;
using ::SetFileCompletionNotificationModes;

// Threads, time, words
using ::DuplicateHandle;
using ::FormatMessageW;
using ::GetCurrentProcess;
using ::GetCurrentThread;
using ::GetCurrentThreadId;
using ::GetEnvironmentVariableW;
using ::GetModuleHandleExW;
using ::GetModuleHandleW;
using ::GetProcAddress;
using ::MultiByteToWideChar;
using ::QueryPerformanceCounter;
using ::QueryPerformanceFrequency;
using ::QueueUserAPC;
using ::SetConsoleCtrlHandler;
using ::SetHandleInformation;
using ::Sleep;
using ::WideCharToMultiByte;

}  // namespace thole::sys
