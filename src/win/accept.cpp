// SPDX-License-Identifier: BSL-1.0
#include <cstring>
#include <new>
#include <span>
#include <utility>

#include "core/loop_core.hpp"
#include "win/address.hpp"
#include "win/handle.hpp"
#include "win/options.hpp"
#include "win/verbs.hpp"

namespace thole::detail {
namespace {

std::span<standing_accept> slots_of(listener_state& state) noexcept {
    return {state.standing.get(), state.inbound.bound()};
}

// One client's own failure (R30).
bool is_of_client(int raw) noexcept {
    return raw == WSAECONNRESET || raw == WSAECONNABORTED || raw == ERROR_NETNAME_DELETED ||
           raw == ERROR_CONNECTION_ABORTED;
}

// Posts one request; 0, or why that cannot be done now. A listener never skips, so that a packet
// comes also where AcceptEx succeeds at once.
int post(standing_accept& slot, listener_state& state) noexcept {
    slot.accepted = open_handle(state.kind);  // R32
    if (slot.accepted == INVALID_SOCKET) {
        return sys::WSAGetLastError();
    }
    slot.overlapped = {};
    DWORD received = 0;  // set when it succeeds at once, never later
    const BOOL done = state.provider->accept_ex(
        state.socket, slot.accepted, slot.names, 0, standing_accept::name_size,
        standing_accept::name_size, &received, &slot.overlapped);
    const int raw = done != FALSE ? 0 : sys::WSAGetLastError();
    if (outcome_of(raw, state.skips) == call::pending) {
        ++state.posted;
        ++state.counts.standing;
        return 0;
    }
    close_handle(slot.accepted);
    slot.accepted = INVALID_SOCKET;
    return raw;
}

// Posts what is missing. A slot for which there are no resources stays empty until the next call
// (R39). Gives the failure that ended it.
int refill(listener_state& state) noexcept {
    int dead_clients = 64;  // in one go
    for (standing_accept& slot : slots_of(state)) {
        if (!is_short(state)) {
            break;
        }
        if (slot.accepted != INVALID_SOCKET) {
            continue;
        }
        int raw = post(slot, state);
        while (is_of_client(raw) && --dead_clients > 0) {
            ++state.counts.absorbed;
            raw = post(slot, state);
        }
        if (raw != 0) {
            return raw;
        }
    }
    return 0;
}

// Nobody would ever be accepted. Where it was clients alone that failed, it is tried again.
bool ends_accepts(const listener_state& state, int raw) noexcept {
    return state.posted == 0 && raw != 0 && !is_of_client(raw);
}

endpoint name_at(const sockaddr* from, int length) noexcept {
    native_address address{};
    if (from != nullptr && length > 0 && static_cast<std::size_t>(length) <= sizeof address) {
        std::memcpy(&address, from, static_cast<std::size_t>(length));
    }
    return from_native(address);
}

// The socket of a request that succeeded, fit for use (R34); without methods: its client is gone.
loose_socket take_accepted(standing_accept& slot, const listener_state& state) noexcept {
    loose_socket arrived;
    if (sys::setsockopt(slot.accepted, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT,
                        reinterpret_cast<const char*>(&state.socket), sizeof state.socket) != 0) {
        return arrived;
    }
    // What it does not have from the listener already, as under Wine. Only a help.
    static_cast<void>(set_inherited(slot.accepted, state.options));
    sockaddr* local = nullptr;
    sockaddr* peer = nullptr;
    int local_length = 0;
    int peer_length = 0;
    state.provider->get_accept_ex_sockaddrs(slot.names, 0, standing_accept::name_size,
                                            standing_accept::name_size, &local, &local_length,
                                            &peer, &peer_length);
    arrived.native = slot.accepted;
    arrived.methods = &socket_methods;
    arrived.local = name_at(local, local_length);
    arrived.peer = name_at(peer, peer_length);
    return arrived;
}

}  // namespace

int open_inbound(listener_state& state) noexcept {
    state.pool = {static_cast<std::size_t>(state.options.standing_accepts),
                  static_cast<std::size_t>(state.options.most_standing_accepts)};
    const std::size_t bound = state.pool.ceiling();
    state.standing.reset(new (std::nothrow) standing_accept[bound]);
    if (state.standing == nullptr || !state.inbound.reserve(bound)) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    for (standing_accept& slot : slots_of(state)) {
        slot.owner = &state;
        slot.accepted = INVALID_SOCKET;
    }
    // What could not be posted is tried again with the first accept, which reports it.
    static_cast<void>(refill(state));
    return 0;
}

progress start_accept(operation& op, listener_state& state) noexcept {
    if (state.inbound.size() > 0 && state.reading.empty()) {
        state.core->give(op, state.inbound.take());
        return progress::done;
    }
    if (state.posted == 0) {
        const int raw = refill(state);
        if (ends_accepts(state, raw)) {
            return settle_failure(op, raw);
        }
    }
    return progress::in_kernel;
}

void finish_standing(standing_accept& slot, completions& finished) {
    listener_state& state = *slot.owner;
    --state.posted;
    --state.counts.standing;
    const SOCKET socket = slot.accepted;
    loose_socket arrived;
    if (code_of(slot.overlapped) == 0 && !state.closed) {
        arrived = take_accepted(slot, state);
    }
    slot.accepted = INVALID_SOCKET;
    if (arrived.methods == nullptr) {  // costs this one socket (R30, R34)
        socket_methods.close(socket);
        state.counts.absorbed += state.closed ? 0 : 1;
        return;
    }
    state.came = true;
    state.claimed = state.claimed || !state.reading.empty();
    deliver(state, state.inbound, arrived, finished);
}

bool is_short(const listener_state& state) noexcept {
    return state.inbound.size() + state.posted < state.pool.size();
}

bool restock(listener_state& state, completions& finished) {
    if (state.came) {
        state.pool.after_batch(state.posted, state.claimed);
        state.came = state.claimed = false;
    }
    const int raw = refill(state);
    if (!ends_accepts(state, raw)) {
        return raw == 0;
    }
    while (!state.reading.empty() && !is_paused(state.reading)) {
        operation& op = *state.reading.front();
        state.reading.remove(op);
        static_cast<void>(settle_failure(op, raw));
        finished.push(op);
    }
    return false;
}

void close_inbound(listener_state& state) noexcept {
    while (state.inbound.size() > 0) {
        socket_methods.close(state.inbound.take().native);
    }
    for (standing_accept& slot : slots_of(state)) {
        if (slot.accepted != INVALID_SOCKET) {
            sys::CancelIoEx(reinterpret_cast<HANDLE>(state.socket), &slot.overlapped);
        }
    }
}

}  // namespace thole::detail
