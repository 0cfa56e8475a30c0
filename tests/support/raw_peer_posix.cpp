// SPDX-License-Identifier: BSL-1.0
#include "support/raw_peer.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#if defined(__linux__)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <stdexcept>

namespace thole::test::raw {
namespace {

struct address {
    sockaddr_storage bytes{};
    socklen_t length = sizeof(sockaddr_storage);

    sockaddr* get() { return reinterpret_cast<sockaddr*>(&bytes); }
};

address to_native(const endpoint& from) {
    address to;
    if (from.family() == address_family::ipv4) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&to.bytes);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(from.port());
        std::memcpy(&v4->sin_addr, from.bytes().data(), 4);
        to.length = sizeof(sockaddr_in);
    } else {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&to.bytes);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(from.port());
        v6->sin6_scope_id = from.scope();
        std::memcpy(&v6->sin6_addr, from.bytes().data(), 16);
        to.length = sizeof(sockaddr_in6);
    }
    return to;
}

endpoint from_native(const address& from) {
    if (from.bytes.ss_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(&from.bytes);
        endpoint::ipv4_bytes bytes;
        std::memcpy(bytes.data(), &v4->sin_addr, 4);
        return {bytes, ntohs(v4->sin_port)};
    }
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&from.bytes);
    endpoint::ipv6_bytes bytes;
    std::memcpy(bytes.data(), &v6->sin6_addr, 16);
    return {bytes, ntohs(v6->sin6_port), v6->sin6_scope_id};
}

[[noreturn]] void refuse(const char* call) {
    throw std::runtime_error(std::string("raw peer: ") + call + ": " + std::strerror(errno));
}

int fd_of(std::uintptr_t native) { return static_cast<int>(native); }

std::uintptr_t make(address_family family, int flags) {
    const int domain = family == address_family::ipv6 ? AF_INET6 : AF_INET;
    const int fd = ::socket(domain, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0) {
        refuse("socket");
    }
    return static_cast<std::uintptr_t>(fd);
}

void limit_waiting(int fd) {
    const timeval limit{10, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

// Interrupted (by the work of a ring of this thread, say), it goes on by itself.
bool connects_at_last(int fd) {
    pollfd asked{fd, POLLOUT, 0};
    int ready = 0;
    do {
        ready = ::poll(&asked, 1, 10'000);
    } while (ready < 0 && errno == EINTR);
    int error = 0;
    socklen_t length = sizeof error;
    return ready > 0 && ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

}  // namespace

socket socket::connect(const endpoint& target) {
    socket made(make(target.family(), 0));
    limit_waiting(fd_of(made.native_));
    address to = to_native(target);
    const int fd = fd_of(made.native_);
    if (::connect(fd, to.get(), to.length) != 0 && (errno != EINTR || !connects_at_last(fd))) {
        refuse("connect");
    }
    return made;
}

socket socket::bind(address_family family, int backlog) {
    socket made(make(family, 0));
    limit_waiting(fd_of(made.native_));
    address to = to_native(endpoint::loopback(family, 0));
    if (::bind(fd_of(made.native_), to.get(), to.length) != 0) {
        refuse("bind");
    }
    if (backlog >= 0 && ::listen(fd_of(made.native_), backlog) != 0) {
        refuse("listen");
    }
    return made;
}

socket socket::datagram() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        refuse("socket");
    }
    socket made(static_cast<std::uintptr_t>(fd));
    address to = to_native(endpoint::loopback(address_family::ipv4, 0));
    if (::bind(fd, to.get(), to.length) != 0) {
        refuse("bind");
    }
    return made;
}

socket socket::accept() {
    const int fd = ::accept4(fd_of(native_), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
        refuse("accept");
    }
    limit_waiting(fd);
    return socket(static_cast<std::uintptr_t>(fd));
}

void socket::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd_of(native_), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            refuse("send");
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

reception socket::receive(std::size_t at_most) {
    reception got;
    got.bytes.resize(at_most);
    ssize_t count = 0;
    do {
        count = ::recv(fd_of(native_), got.bytes.data(), at_most, 0);
    } while (count < 0 && errno == EINTR);
    got.bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    if (count > 0) {
        got.how = ending::bytes;
    } else if (count == 0) {
        got.how = ending::end_of_stream;
    } else if (errno == ECONNRESET) {
        got.how = ending::reset;
    } else if (errno != EAGAIN) {
        refuse("recv");
    }
    return got;
}

reception socket::receive_all(std::size_t count) {
    reception all;
    do {
        reception more = receive(count - all.bytes.size());
        all.bytes += more.bytes;
        all.how = more.how;
    } while (all.how == ending::bytes && all.bytes.size() < count);
    return all;
}

void socket::finish() {
    if (::shutdown(fd_of(native_), SHUT_WR) != 0) {
        refuse("shutdown");
    }
}

void socket::reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_of(native_), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close();
}

void socket::close() noexcept {
    if (native_ != none) {
        ::close(fd_of(std::exchange(native_, none)));
    }
}

endpoint socket::local() const {
    address name;
    if (::getsockname(fd_of(native_), name.get(), &name.length) != 0) {
        refuse("getsockname");
    }
    return from_native(name);
}

void socket::set_linger(int seconds) {
    const linger asked{1, seconds};
    if (::setsockopt(fd_of(native_), SOL_SOCKET, SO_LINGER, &asked, sizeof(asked)) != 0) {
        refuse("setsockopt");
    }
}

bool socket::lingers() const {
    linger told{};
    socklen_t length = sizeof(told);
    if (::getsockopt(fd_of(native_), SOL_SOCKET, SO_LINGER, &told, &length) != 0) {
        refuse("getsockopt");
    }
    return told.l_onoff != 0;
}

bool is_blocking(std::uintptr_t native) {
    const int flags = ::fcntl(fd_of(native), F_GETFL);
    if (flags < 0) {
        refuse("fcntl");
    }
    return (flags & O_NONBLOCK) == 0;
}

socket local_stream(socket& other) {
    int ends[2] = {};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        refuse("socketpair");
    }
    other = socket(static_cast<std::uintptr_t>(ends[1]));
    return socket(static_cast<std::uintptr_t>(ends[0]));
}

bool readable_within(std::uintptr_t native, std::chrono::nanoseconds time) {
    pollfd asked{fd_of(native), POLLIN, 0};
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(time).count();
    const int ready = ::poll(&asked, 1, static_cast<int>(std::min<long long>(wait, 1 << 30)));
    if (ready < 0 && errno != EINTR) {
        refuse("poll");
    }
    return ready > 0;
}

// listen(0) holds one connection that nobody accepts; the others wait (cases.md 6.2).
silent_port::silent_port() : door_(socket::bind(address_family::ipv4, 0)) {
    address to = to_native(door_.local());
    for (int i = 0; i < 4; ++i) {
        const std::uintptr_t native = make(address_family::ipv4, SOCK_NONBLOCK);
        waiting_.emplace_back(native);
        if (::connect(fd_of(native), to.get(), to.length) != 0 && errno != EINPROGRESS) {
            refuse("connect");
        }
    }
}

bool has_ipv6() {
    const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    address to = to_native(endpoint::loopback(address_family::ipv6, 0));
    const bool bound = ::bind(fd, to.get(), to.length) == 0;
    ::close(fd);
    return bound;
}

std::size_t open_handles() {
    DIR* folder = ::opendir("/proc/self/fd");
    if (folder == nullptr) {
        refuse("opendir");
    }
    std::size_t count = 0;
    while (::readdir(folder) != nullptr) {
        ++count;
    }
    ::closedir(folder);
    return count - 3;  // ".", ".." and the folder itself
}

std::size_t lift_handle_limit(std::size_t wanted) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = std::min(static_cast<rlim_t>(wanted), limit.rlim_max);
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    return std::min(static_cast<rlim_t>(wanted), limit.rlim_cur);
}

std::size_t limit_handles(std::size_t count) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t before = std::exchange(limit.rlim_cur, static_cast<rlim_t>(count));
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) refuse("setrlimit");
    return before;
}

held_descriptors::held_descriptors(int highest) {
    (void)lift_handle_limit(static_cast<std::size_t>(highest) + 64);
    int last = -1;
    while (last < highest) {
        last = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (last < 0) {
            break;
        }
        held_.push_back(last);
    }
}

held_descriptors::~held_descriptors() {
    for (const int fd : held_) {
        ::close(fd);
    }
}

// The lowest number that is free becomes the limit: what is free again below it can be had.
no_descriptors::no_descriptors() {
    constexpr std::size_t most = 8;
    for (std::size_t i = 0; i <= most; ++i) {
        held_.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (held_.back() < 0) refuse("open");
    }
    limit_ = limit_handles(static_cast<std::size_t>(held_.back()));
    ::close(held_.back());
    held_.pop_back();
}

no_descriptors::~no_descriptors() {
    give(held_.size());
    (void)limit_handles(limit_);
}

void no_descriptors::give(std::size_t count) {
    for (; count > 0; --count) {
        ::close(held_.back());
        held_.pop_back();
    }
}

void set_environment(const char* name, const char* value) {
    if (value != nullptr) {
        ::setenv(name, value, 1);
    } else {
        ::unsetenv(name);
    }
}

bool is_windows() noexcept { return false; }

int in_forked_child(int (*child)(void*), void* context) {
    const pid_t made = ::fork();
    if (made < 0) {
        refuse("fork");
    }
    if (made == 0) {
        ::_exit(child(context));  // nothing of the parent's is torn down
    }
    int status = 0;
    while (::waitpid(made, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void become(char** command) noexcept { ::execv(command[0], command); }

bool forbid_io_uring() noexcept {
#if defined(SYS_io_uring_setup)
    sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{static_cast<unsigned short>(std::size(rules)), rules};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
#else
    return false;
#endif
}

}  // namespace thole::test::raw
