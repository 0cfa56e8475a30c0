// SPDX-License-Identifier: BSL-1.0
#include "support/raw_process.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

extern char** environ;

namespace thole::test::raw {
namespace {

[[noreturn]] void refuse(const char* call, int raw) {
    throw std::runtime_error(std::string("raw process: ") + call + ": " + std::strerror(raw));
}

int fd_of(std::uintptr_t native) { return static_cast<int>(native); }

[[maybe_unused]] bool write_to(const char* path, const char* text) noexcept {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const auto length = static_cast<ssize_t>(std::strlen(text));
    const bool written = ::write(fd, text, std::strlen(text)) == length;
    ::close(fd);
    return written;
}

[[maybe_unused]] bool raise_loopback() noexcept {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq asked{};
    std::strcpy(asked.ifr_name, "lo");
    bool raised = fd >= 0 && ::ioctl(fd, SIOCGIFFLAGS, &asked) == 0;
    asked.ifr_flags = static_cast<short>(asked.ifr_flags | IFF_UP | IFF_RUNNING);
    raised = raised && ::ioctl(fd, SIOCSIFFLAGS, &asked) == 0;
    if (fd >= 0) {
        ::close(fd);
    }
    return raised;
}

}  // namespace

sleeping_child::sleeping_child() {
    char name[] = "sleep";
    char time[] = "60";
    char* const command[] = {name, time, nullptr};
    pid_t made = 0;
    if (const int failed = ::posix_spawnp(&made, name, nullptr, nullptr, command,
                                          environ)) {  // it has been exec'd
        refuse("posix_spawnp", failed);
    }
    process_ = made;
}

sleeping_child::~sleeping_child() {
    const auto child = static_cast<pid_t>(process_);
    ::kill(child, SIGKILL);
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
}

void let_inherit(std::uintptr_t native) {
    if (::fcntl(fd_of(native), F_SETFD, 0) != 0) {
        refuse("fcntl", errno);
    }
}

std::uintptr_t duplicate(std::uintptr_t native) {
    const int made = ::fcntl(fd_of(native), F_DUPFD_CLOEXEC, 0);
    if (made < 0) {
        refuse("fcntl", errno);
    }
    return static_cast<std::uintptr_t>(made);
}

void let_sigpipe_kill() {
    struct sigaction usual {};
    usual.sa_handler = SIG_DFL;
    sigset_t pipe;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    if (::sigaction(SIGPIPE, &usual, nullptr) != 0 ||
        ::sigprocmask(SIG_UNBLOCK, &pipe, nullptr) != 0) {
        refuse("sigaction", errno);
    }
}

bool enter_lonely_network(bool v6_only) noexcept {
#if defined(__linux__)
    return ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && raise_loopback() &&
           write_to("/proc/sys/net/ipv6/bindv6only", v6_only ? "1" : "0");
#else
    static_cast<void>(v6_only);
    return false;
#endif
}

}  // namespace thole::test::raw
