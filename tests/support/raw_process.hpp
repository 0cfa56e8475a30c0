// SPDX-License-Identifier: BSL-1.0
// What a test must do to a process: a child that inherits, signals, a network of its own. One
// implementation a platform; what fails throws std::runtime_error.
#pragma once

#include <cstdint>

namespace thole::test::raw {

// Another process, which has everything that may be inherited of this one. It does nothing but
// hold that, and ends with this.
class sleeping_child {
public:
    sleeping_child();
    sleeping_child(const sleeping_child&) = delete;
    sleeping_child& operator=(const sleeping_child&) = delete;
    ~sleeping_child();

private:
    std::intptr_t process_ = 0;
};

// From now on a child of this process gets that socket.
void let_inherit(std::uintptr_t native);

// A second descriptor of the same socket. POSIX.
[[nodiscard]] std::uintptr_t duplicate(std::uintptr_t native);

// SIGPIPE ends this process, as it does by default. POSIX.
void let_sigpipe_kill();

// From now on this process has a network of its own, with nothing but the loopback addresses in
// it, where IPV6_V6ONLY is on by default, or off. For a child alone: there is no way back. False:
// this machine does not let anybody. Linux.
[[nodiscard]] bool enter_lonely_network(bool v6_only) noexcept;

}  // namespace thole::test::raw
