// SPDX-License-Identifier: BSL-1.0
// In the place of src/posix/sys.hpp: the same names, each through the script.
#pragma once

#include "posix/platform.hpp"
#include "script.hpp"

namespace thole::sys {

struct last_error {
    static int get() noexcept { return errno; }
    static void set(int error) noexcept { errno = error; }
};

inline std::vector<unsigned char> bytes_at(const void* from, std::size_t length) {
    const auto* first = static_cast<const unsigned char*>(from);
    return from != nullptr ? std::vector(first, first + length) : std::vector<unsigned char>();
}
template <class System>
auto perform(script::call asked, System&& system) {
    return script::perform<last_error>(std::move(asked), system);
}
inline script::call of(std::string_view name, std::intptr_t handle = -1) {
    script::call asked;
    asked.name = name;
    asked.handle = handle;
    return asked;
}

// ---- Making and ending handles.

inline int accept4(int fd, sockaddr* from, socklen_t* length, int flags) {
    return perform(of("accept4", fd),
                   [&](script::call&) { return ::accept4(fd, from, length, flags); });
}
inline int close(int fd) {
    return perform(of("close", fd), [&](script::call&) { return ::close(fd); });
}
inline int eventfd(unsigned first, int flags) {
    return perform(of("eventfd"), [&](script::call&) { return ::eventfd(first, flags); });
}
inline int open(const char* path, int flags) {
    return perform(of("open"), [&](script::call&) { return ::open(path, flags); });
}
inline int socket(int family, int type, int protocol) {
    return perform(of("socket"), [&](script::call&) { return ::socket(family, type, protocol); });
}
inline int socketpair(int family, int type, int protocol, int* ends) {
    return perform(of("socketpair"),
                   [&](script::call&) { return ::socketpair(family, type, protocol, ends); });
}

// ---- Names and options.

inline int bind(int fd, const sockaddr* to, socklen_t length) {
    script::call asked = of("bind", fd);
    asked.value = bytes_at(to, length);
    return perform(std::move(asked), [&](script::call&) { return ::bind(fd, to, length); });
}
inline int connect(int fd, const sockaddr* to, socklen_t length) {
    script::call asked = of("connect", fd);
    asked.value = bytes_at(to, length);
    return perform(std::move(asked), [&](script::call&) { return ::connect(fd, to, length); });
}
inline int getpeername(int fd, sockaddr* name, socklen_t* length) {
    return perform(of("getpeername", fd),
                   [&](script::call&) { return ::getpeername(fd, name, length); });
}
inline int getsockname(int fd, sockaddr* name, socklen_t* length) {
    return perform(of("getsockname", fd),
                   [&](script::call&) { return ::getsockname(fd, name, length); });
}
inline int getsockopt(int fd, int level, int option, void* value, socklen_t* length) {
    script::call asked = of("getsockopt", fd);
    asked.level = level;
    asked.option = option;
    asked.out = value;
    return perform(std::move(asked),
                   [&](script::call&) { return ::getsockopt(fd, level, option, value, length); });
}
inline int ioctl(int fd, unsigned long what, int* value) {
    script::call asked = of("ioctl", fd);
    asked.out = value;
    return perform(std::move(asked), [&](script::call&) { return ::ioctl(fd, what, value); });
}
inline int listen(int fd, int backlog) {
    return perform(of("listen", fd), [&](script::call&) { return ::listen(fd, backlog); });
}
inline int setsockopt(int fd, int level, int option, const void* value, socklen_t length) {
    script::call asked = of("setsockopt", fd);
    asked.level = level;
    asked.option = option;
    asked.value = bytes_at(value, length);
    return perform(std::move(asked),
                   [&](script::call&) { return ::setsockopt(fd, level, option, value, length); });
}
inline int shutdown(int fd, int how) {
    return perform(of("shutdown", fd), [&](script::call&) { return ::shutdown(fd, how); });
}

// ---- Names of hosts. `value` is the host and the service, each with its NUL; `out` is where the
// list goes.

inline int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                       addrinfo** found) {
    script::call asked = of("getaddrinfo");
    asked.option = hints->ai_flags;
    for (const char* text : {host, service}) {
        const std::string_view words = text != nullptr ? text : "";
        asked.value.insert(asked.value.end(), words.begin(), words.end());
        asked.value.push_back(0);
    }
    asked.out = found;
    return perform(std::move(asked),
                   [&](script::call&) { return ::getaddrinfo(host, service, hints, found); });
}
inline void freeaddrinfo(addrinfo* list) {
    script::call asked = of("freeaddrinfo");
    asked.out = list;
    perform(std::move(asked), [&](script::call&) {
        ::freeaddrinfo(list);
        return 0;
    });
}

// ---- Bytes. A rule may cut short what the system is asked for.

inline script::call transfer(std::string_view name, int fd, std::size_t length, int flags = 0) {
    script::call asked = of(name, fd);
    asked.most = length;
    asked.option = flags;
    return asked;
}
// The pieces of a message, for a system that takes at most so many bytes of them.
class cut_message {
public:
    explicit cut_message(const msghdr& message)
        : pieces_(message.msg_iov, message.msg_iov + message.msg_iovlen), message_(message) {}
    [[nodiscard]] std::size_t length() const {
        std::size_t sum = 0;
        for (const iovec& piece : pieces_) {
            sum += piece.iov_len;
        }
        return sum;
    }
    msghdr* first(std::size_t most) {
        for (iovec& piece : pieces_) {
            piece.iov_len = piece.iov_len < most ? piece.iov_len : most;
            most -= piece.iov_len;
        }
        message_.msg_iov = pieces_.data();
        return &message_;
    }

private:
    std::vector<iovec> pieces_;
    msghdr message_;
};
inline ssize_t read(int fd, void* to, std::size_t length) {
    return perform(transfer("read", fd, length),
                   [&](script::call& asked) { return ::read(fd, to, asked.most); });
}
inline ssize_t recv(int fd, void* to, std::size_t length, int flags) {
    return perform(transfer("recv", fd, length),
                   [&](script::call& asked) { return ::recv(fd, to, asked.most, flags); });
}
inline ssize_t recvmsg(int fd, msghdr* message, int flags) {
    cut_message cut(*message);
    return perform(transfer("recvmsg", fd, cut.length()), [&](script::call& asked) {
        return ::recvmsg(fd, cut.first(asked.most), flags);
    });
}
inline ssize_t send(int fd, const void* from, std::size_t length, int flags) {
    return perform(transfer("send", fd, length, flags),
                   [&](script::call& asked) { return ::send(fd, from, asked.most, flags); });
}
inline ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    cut_message cut(*message);
    return perform(transfer("sendmsg", fd, cut.length(), flags), [&](script::call& asked) {
        return ::sendmsg(fd, cut.first(asked.most), flags);
    });
}
inline ssize_t sendto(int fd, const void* from, std::size_t length, int flags, const sockaddr* to,
                      socklen_t size) {
    script::call asked = transfer("sendto", fd, length, flags);
    asked.value = bytes_at(to, size);
    return perform(std::move(asked), [&](script::call& call) {
        return ::sendto(fd, from, call.most, flags, to, size);
    });
}
inline ssize_t write(int fd, const void* from, std::size_t length) {
    return perform(transfer("write", fd, length),
                   [&](script::call& asked) { return ::write(fd, from, asked.most); });
}

// ---- Waiting.

#if defined(THOLE_HAVE_EPOLL)
inline int epoll_create1(int flags) {
    return perform(of("epoll_create1"), [&](script::call&) { return ::epoll_create1(flags); });
}
inline int epoll_ctl(int set, int what, int fd, epoll_event* event) {
    script::call asked = of("epoll_ctl", fd);
    asked.option = what;
    asked.code = event != nullptr ? event->data.u64 : 0;
    return perform(std::move(asked),
                   [&](script::call&) { return ::epoll_ctl(set, what, fd, event); });
}
inline script::call wait_for(std::string_view name, int set, epoll_event* events, int most) {
    script::call asked = of(name, set);
    asked.out = events;
    asked.most = static_cast<std::size_t>(most);
    return asked;
}
inline int epoll_wait(int set, epoll_event* events, int most, int time) {
    return perform(wait_for("epoll_wait", set, events, most),
                   [&](script::call&) { return ::epoll_wait(set, events, most, time); });
}
#endif
#if defined(THOLE_HAVE_EPOLL_PWAIT2)
inline int epoll_pwait2(int set, epoll_event* events, int most, const timespec* time,
                        const sigset_t* mask) {
    return perform(wait_for("epoll_pwait2", set, events, most),
                   [&](script::call&) { return ::epoll_pwait2(set, events, most, time, mask); });
}
#endif
#if defined(THOLE_HAVE_LIBURING)
// A rule may cut short how many requests are taken. `level`: how many completions are waited for;
// all of these give a negative code when they fail.
inline int io_uring_enter2(unsigned ring, unsigned requests, unsigned least, unsigned flags,
                           sigset_t* how, size_t size) {
    script::call asked = of("io_uring_enter", static_cast<std::intptr_t>(ring));
    asked.most = requests;
    asked.level = static_cast<int>(least);
    asked.option = static_cast<int>(flags);
    return perform(std::move(asked), [&](script::call& call) {
        return ::io_uring_enter2(ring, static_cast<unsigned>(call.most), least, flags, how, size);
    });
}
inline int io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* asks) {
    script::call asked = of("io_uring_setup");
    asked.most = entries;
    asked.code = asks->flags;
    asked.out = ring;
    return perform(std::move(asked), [&](script::call&) {
        return ::io_uring_queue_init_params(entries, ring, asks);
    });
}
inline void io_uring_queue_exit(io_uring* ring) {
    perform(of("io_uring_exit", ring->ring_fd), [&](script::call&) {
        ::io_uring_queue_exit(ring);
        return 0;
    });
}
inline int io_uring_register(unsigned ring, unsigned what, const void* value, unsigned count) {
    script::call asked = of("io_uring_register", static_cast<std::intptr_t>(ring));
    asked.option = static_cast<int>(what);
    asked.out = const_cast<void*>(value);
    return perform(std::move(asked),
                   [&](script::call&) { return ::io_uring_register(ring, what, value, count); });
}
inline int io_uring_ring_dontfork(io_uring* ring) {
    return perform(of("io_uring_ring_dontfork", ring->ring_fd),
                   [&](script::call&) { return ::io_uring_ring_dontfork(ring); });
}
#endif
inline int pselect(int highest, fd_set* in, fd_set* out, fd_set* odd, const timespec* time,
                   const sigset_t* mask) {
    return perform(of("pselect"),
                   [&](script::call&) { return ::pselect(highest, in, out, odd, time, mask); });
}
using ::clock_gettime;
using ::dladdr;
using ::dlopen;
using ::fcntl;
using ::poll;
using ::pthread_atfork;
using ::pthread_sigmask;
using ::raise;
using ::sigaction;

}  // namespace thole::sys
