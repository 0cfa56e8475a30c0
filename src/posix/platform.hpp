// SPDX-License-Identifier: BSL-1.0
// The only file of this room that includes headers of the system.
#pragma once

#include <cerrno>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#if defined(THOLE_HAVE_EPOLL)
#include <sys/epoll.h>
#endif
#if defined(THOLE_HAVE_LIBURING)
#include <liburing.h>
#endif
