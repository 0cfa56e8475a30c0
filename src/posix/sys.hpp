// SPDX-License-Identifier: BSL-1.0
// Every call into the system that this room makes. A test build puts a file of this name in front
// and answers from a script; users' object code is the same as with direct calls.
#pragma once

#include "posix/platform.hpp"

namespace thole::sys {

// Making and ending handles.
using ::accept4;
using ::close;
using ::eventfd;
using ::open;
using ::socket;
using ::socketpair;

// Names and options.
using ::bind;
using ::connect;
using ::getpeername;
using ::getsockname;
using ::getsockopt;
using ::ioctl;
using ::listen;
using ::setsockopt;
using ::shutdown;

// Names of hosts.
using ::freeaddrinfo;
using ::getaddrinfo;

// Bytes.
using ::read;
using ::recv;
using ::recvmsg;
using ::send;
using ::sendmsg;
using ::sendto;
using ::write;

// Waiting.
#if defined(THOLE_HAVE_EPOLL)
using ::epoll_create1;
using ::epoll_ctl;
using ::epoll_wait;
#endif
#if defined(THOLE_HAVE_EPOLL_PWAIT2)
using ::epoll_pwait2;
#endif
#if defined(THOLE_HAVE_LIBURING)
using ::io_uring_enter2;
using ::io_uring_queue_exit;
using ::io_uring_queue_init_params;
using ::io_uring_register;
using ::io_uring_ring_dontfork;
#endif
using ::clock_gettime;
using ::fcntl;
using ::poll;
using ::pselect;

// The process.
using ::dladdr;
using ::dlopen;
using ::pthread_atfork;
using ::pthread_sigmask;
using ::raise;
using ::sigaction;

}  // namespace thole::sys
