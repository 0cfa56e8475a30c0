// SPDX-License-Identifier: BSL-1.0
#include "command_line.hpp"

namespace probe {
namespace {

constexpr std::string_view all_text =
    R"(thole-probe: does a TCP port answer, and if not, why not?

Examples:
  thole-probe check example.net:443                 one connect
  thole-probe check 192.0.2.1:22 '[2001:db8::1]:22'  several, all at once
  thole-probe check 192.0.2.1:443 -t 500ms          with half a second for each
  thole-probe check 192.0.2.1:22 --hold 2s          stays: a first byte, an end, a reset?
  thole-probe check 192.0.2.1:443 --json            for a program
  thole-probe demo                                  four peers of its own, four outcomes
  thole-probe demo --backend select

Commands:
  check TARGET...   probe each target once      (thole-probe check --help)
  demo              probe its own loopback peers (thole-probe demo --help)

Options, before or after the command:
  --backend NAME    auto, epoll, select, io_uring, iocp or sim (auto)
  --json            one JSON object on stdout
  -h, --help        this, or the command's own
  -V, --version

Exit codes:
  0  all open                       5  every failure: timeout
  1  mixed causes, or some open     6  every failure: host or network unreachable
  2  usage error, nothing was sent  7  local: a backend that is not there, no port or
  3  every failure: the name           descriptor left, no permission
  4  every failure: refused or      8  connected, but the peer closed early (--hold)
     reset
)";

constexpr std::string_view check_text =
    R"(thole-probe check TARGET... [-t DUR] [--hold DUR]: probe each target once, all at once

Examples:
  thole-probe check example.net:443
  thole-probe check 192.0.2.1:22 '[2001:db8::1]:22' -t 500ms
  thole-probe check 192.0.2.1:22 --hold 2s

TARGET is a name or an address, and a port: example.net:443, 192.0.2.1:443, [2001:db8::1]:443. The
addresses of a name are tried one after another, and shown if there are several; `name 3.1 ms` is
what looking it up took, which the time before it contains unless the port is open. localhost
means ::1 and 127.0.0.1, and what ends in .invalid does not exist, without asking (RFC 6761).
DUR is 250ms, 3s, 1.5s, 2m or 1h.

Options:
  -t, --timeout DUR  for each target, its name and all its addresses together (3s: outlasts one
                     lost SYN, which is sent again after 1 s)
  --hold DUR         stay connected so long and listen: ends with the first byte (open), the
                     peer's end (closed-early) or a reset; a quiet peer is open
  --backend NAME     auto, epoll, select, io_uring, iocp or sim (auto)
  --json             one JSON object on stdout

Outcomes: open refused reset timeout host-unreachable net-unreachable dns-not-found dns-temporary
dns-failed local-error canceled closed-early. Exit codes: thole-probe --help.
)";

constexpr std::string_view demo_text =
    R"(thole-probe demo: probe four loopback peers of its own

Examples:
  thole-probe demo
  thole-probe demo --backend select
  thole-probe demo --json

One peer accepts, one does not listen, one never answers, one accepts and resets 50 ms later.
Exit code 0 if every outcome was the expected one, 1 if not, 7 if a peer could not be made.

Options:
  --backend NAME  auto, epoll, select, io_uring or iocp (auto)
  --json          one JSON object on stdout
)";

}  // namespace

std::string_view help_text(topic about) noexcept {
    switch (about) {
    case topic::check:
        return check_text;
    case topic::demo:
        return demo_text;
    case topic::all:
        break;
    }
    return all_text;
}

}  // namespace probe
