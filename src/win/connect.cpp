// SPDX-License-Identifier: BSL-1.0
#include <algorithm>

#include "win/address.hpp"
#include "win/handle.hpp"
#include "win/verbs.hpp"

namespace thole::detail {
namespace {

// ConnectEx takes bound sockets only (R40).
int bind_any(iocp_state& state) noexcept {
    if (state.bound) {
        return 0;
    }
    control_request any{request::bind, endpoint::any(state.kind.family, 0)};
    const int failed = control_handle(state.socket, any);
    state.bound = failed == 0;
    return failed;
}

// Windows repeats a refused SYN for two seconds. A local port need not be asked twice; only a help
// (R44).
void ask_once(SOCKET socket) noexcept {
    TCP_INITIAL_RTO_PARAMETERS once{};
    once.Rtt = TCP_INITIAL_RTO_UNSPECIFIED_RTT;
    once.MaxSynRetransmissions = TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS;
    DWORD given = 0;
    static_cast<void>(sys::WSAIoctl(socket, SIO_TCP_INITIAL_RTO, &once, sizeof once, nullptr, 0,
                                    &given, nullptr, nullptr));
}

// Both SYNs came from one socket, to a port that nobody listens on (R75).
bool is_self_connect(SOCKET socket, const endpoint& target) noexcept {
    endpoint local;
    endpoint peer;
    return target.is_loopback() && local_name(socket, local) == 0 &&
           local.port() == target.port() && peer_name(socket, peer) == 0 && local == peer;
}

// More than this Wine never gets through.
constexpr std::size_t most_with_connect = 16 * 1024;

}  // namespace

progress start_connect(operation& op, iocp_state& state) noexcept {
    const endpoint& target = static_cast<tcp::connect_op&>(op).target();
    if (const int failed = bind_any(state)) {
        return settle_failure(op, failed);
    }
    if (target.is_loopback()) {
        ask_once(state.socket);
    }
    native_address address;
    const int length = to_native(target, address);
    OVERLAPPED& overlapped = overlapped_of(op);
    overlapped = {};
    const std::size_t data = std::min(op.length, most_with_connect);
    const BOOL done = state.provider->connect_ex(state.socket, &address.any, length,
                                                 data != 0 ? op.buffer : nullptr,
                                                 static_cast<DWORD>(data), nullptr, &overlapped);
    const int raw = done != FALSE ? 0 : sys::WSAGetLastError();
    switch (outcome_of(raw, state.skips)) {
    case call::finished:
        return finish_connect(op, state);
    case call::pending:
        return progress::in_kernel;
    case call::failed:
        break;
    }
    return settle_failure(op, raw);
}

progress finish_connect(operation& op, iocp_state& state) noexcept {
    auto& attempt = static_cast<tcp::connect_op&>(op);
    if (attempt.connected) {  // the rest of what it was given to send
        return finish_transfer(op, state);
    }
    if (const int failed = code_of(overlapped_of(op))) {
        return settle_failure(op, failed);
    }
    // Names and shutdown() do not work before this (R35).
    if (sys::setsockopt(state.socket, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, nullptr, 0) != 0) {
        return settle_failure(op, sys::WSAGetLastError());
    }
    if (is_self_connect(state.socket, attempt.target())) {
        return settle_failure(op, WSAECONNREFUSED);
    }
    attempt.connected = true;
    op.count = op.length != 0 ? static_cast<std::size_t>(overlapped_of(op).InternalHigh) : 0;
    if (op.count >= op.length) {
        settle_done(op);
    } else if (op.why == reason::none) {
        return start_transfer(op, state);
    } else {
        settle_aborted(op, ERROR_OPERATION_ABORTED);
    }
    return progress::done;
}

}  // namespace thole::detail
