// SPDX-License-Identifier: BSL-1.0
/// \file
/// From names to addresses.
#pragma once

#include <cstdint>
#include <string_view>
#include <system_error>

#include <thole/await.hpp>
#include <thole/deadline.hpp>
#include <thole/endpoint.hpp>
#include <thole/fixed_list.hpp>
#include <thole/operation.hpp>
#include <thole/result.hpp>

namespace thole {

/// Addresses in the order in which they should be tried.
using endpoint_list = fixed_list<endpoint>;

namespace detail {
struct lookup;
}  // namespace detail

/// The operation behind resolve().
class resolve_op : public local_operation {
public:
    using result_type = result<endpoint_list>;
    THOLE_API resolve_op() noexcept;
    resolve_op(loop& on, std::string_view host, int port, deadline until) noexcept : resolve_op() {
        prepare(on, host, port, until);
    }
    resolve_op(loop& on, std::string_view host, std::string_view service, deadline until) noexcept
        : resolve_op() {
        prepare(on, host, service, until);
    }
    /// Copies both texts.
    THOLE_API void prepare(loop& on, std::string_view host, int port, deadline until = {}) noexcept;
    THOLE_API void prepare(loop& on, std::string_view host, std::string_view service,
                           deadline until = {}) noexcept;
    [[nodiscard]] THOLE_API result<endpoint_list> take() noexcept;
    THOLE_API ~resolve_op();

private:
    friend struct detail::lookup;
    [[nodiscard]] static const detail::local_methods& served() noexcept;
    [[nodiscard]] static bool begin(local_operation& op);
    [[nodiscard]] static bool give_up(local_operation& op);
    void forget() noexcept;
    [[nodiscard]] std::error_code read(std::string_view host, std::string_view service,
                                       std::uint16_t port) noexcept;
    [[nodiscard]] std::error_code ask_for(std::string_view host, std::string_view service,
                                          std::uint16_t port) noexcept;
    void answered() noexcept;

    endpoint_list found_;
    std::error_code failed_;
    detail::lookup* asked_ = nullptr;  // what the system must be asked, shared with who asks it
};

/// The addresses of `host`, each with `port`, in the order of RFC 6724 §6 in which the system gives
/// them, each once. Never empty.
///
/// A number (`192.0.2.1`, `2001:db8::1`, `fe80::1%3`, without brackets) is read at once. So are the
/// names that never depend on a server: `localhost` and what ends in `.localhost` mean ::1 and
/// 127.0.0.1 (RFC 6761 §6.3), what ends in `.invalid` does not exist (§6.4). Everything else is
/// asked of the system: getaddrinfo(3), GetAddrInfoW; so /etc/hosts, /etc/nsswitch.conf, search
/// lists and the like count. Both families are asked for, whatever addresses this machine has.
///
/// The system's call blocks and cannot be cancelled, so it runs on a thread of the library's own:
/// at most 4 at a time for the whole process, further names wait in a queue. The threads are
/// started when they are needed and end when no name waits. Cancelling, or the deadline, ends the
/// operation at once; a call that is then still stuck is left to itself: nobody waits for its
/// thread, neither the loop's destructor nor the end of the process, and another thread takes its
/// place. There are at most 36 threads in all; when all of them are stuck, names wait until one
/// comes back, or until their own deadlines: give one, as getaddrinfo has none. Addresses that are
/// there before the cancel is seen are the result.
///
/// Where the whole of it ends in std::errc::invalid_argument, nothing was asked: an empty host, one
/// of more than 253 characters (RFC 1035 §2.3.4) or with a NUL in it; one with a colon that is no
/// IPv6 address; one that ends in a number and is no IPv4 address (`1.2.3.256`, `127.1`,
/// `0x7f000001`: the old short forms are refused on every platform); a port that is not from 0 to
/// 65535.
///
/// Errors: errc::name_not_found (it does not exist, or has no address), errc::
/// name_lookup_unavailable (no server answered: try later), errc::name_lookup_failed (a server
/// refused, or answered nonsense), errc::cancelled, errc::deadline_reached, not_enough_memory,
/// resource_unavailable_try_again (no thread could be made), other codes of the system, and what
/// loop::error() gives.
///
/// `host` is UTF-8 on Windows, bytes for getaddrinfo on POSIX; the operation copies it when it is
/// made. A host with its zone by name (`fe80::1%eth0`) is asked of the system, too, which asks no
/// server then.
///
/// On the simulated network numbers and `localhost` work as above; no other name exists, and no
/// name of a port. Nothing of the real system is asked there.
///
/// Loop's thread. A child that is forked off has no part in what the parent asked.
[[nodiscard]] inline awaitable<resolve_op> resolve(loop& on, std::string_view host, int port,
                                                   deadline until = never) noexcept {
    return awaitable<resolve_op>(on, host, port, until);
}

/// The same with the port as a text: a decimal number from 0 to 65535, or the name of a service
/// (`https`) as the system knows it (services(5)), for TCP. More errors: errc::service_not_found;
/// invalid_argument for a number that is too great, and for an empty text, one of more than 63
/// characters or with a NUL.
[[nodiscard]] inline awaitable<resolve_op> resolve(loop& on, std::string_view host,
                                                   std::string_view service,
                                                   deadline until = never) noexcept {
    return awaitable<resolve_op>(on, host, service, until);
}

}  // namespace thole
