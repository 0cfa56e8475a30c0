// SPDX-License-Identifier: BSL-1.0
/// \file
/// Connecting to a host by its name.
#pragma once

#include <string_view>

#include <thole/await.hpp>
#include <thole/connect_by_list.hpp>
#include <thole/resolve.hpp>

namespace thole::tcp {

/// The operation behind tcp::connect_by_name().
class connect_by_name_op : public local_operation {
public:
    using result_type = connect_outcome;
    THOLE_API connect_by_name_op() noexcept;
    template <class Port>
    connect_by_name_op(loop& on, std::string_view host, Port port, const connect_options& options,
                       deadline until) noexcept
        : connect_by_name_op() {
        prepare(on, host, port, options, until);
    }
    /// Copies the texts.
    THOLE_API void prepare(loop& on, std::string_view host, int port,
                           const connect_options& options = {}, deadline until = {}) noexcept;
    THOLE_API void prepare(loop& on, std::string_view host, std::string_view service,
                           const connect_options& options = {}, deadline until = {}) noexcept;
    [[nodiscard]] THOLE_API connect_outcome take() noexcept;

private:
    struct resolving : resolve_op {
        connect_by_name_op* of = nullptr;
    };
    struct connecting : connect_by_list_op {
        connect_by_name_op* of = nullptr;
    };
    [[nodiscard]] static const detail::local_methods& served() noexcept;
    [[nodiscard]] static bool begin(local_operation& op);
    [[nodiscard]] static bool give_up(local_operation& op);
    static void resolved(detail::runnable& self, detail::turn how);
    static void connected(detail::runnable& self, detail::turn how);
    void keep(loop& on, const connect_options& options, deadline until) noexcept;

    loop* on_ = nullptr;
    connect_options options_;
    endpoint_list found_;
    attempt_list failed_;
    socket made_;
    resolving resolve_;
    connecting connect_;
};

/// Looks `host` up as thole::resolve() does and connects to the first of its addresses that can be
/// connected to, as connect_by_list() does: in the order of RFC 6724, one after another. `until` is
/// one budget for all of it. attempts() is empty where no address was found; whether the time ended
/// while the name was looked up, or later, it tells as well. For the addresses themselves, or for
/// the time that each half took, call those two.
///
/// `host` is copied when the operation is made. The port is a number, or the name of a service.
/// Errors: those of thole::resolve() and of connect_by_list(); invalid_argument for port 0, which
/// is that of the attempts. Loop's thread.
[[nodiscard]] inline awaitable<connect_by_name_op>
connect_by_name(loop& on, std::string_view host, int port, connect_options options = {},
                deadline until = never) noexcept {
    return awaitable<connect_by_name_op>(on, host, port, options, until);
}
/// The same without options.
[[nodiscard]] inline awaitable<connect_by_name_op>
connect_by_name(loop& on, std::string_view host, int port, deadline until) noexcept {
    return awaitable<connect_by_name_op>(on, host, port, connect_options{}, until);
}
/// The same with the name of a service, or a number as text.
[[nodiscard]] inline awaitable<connect_by_name_op>
connect_by_name(loop& on, std::string_view host, std::string_view service,
                connect_options options = {}, deadline until = never) noexcept {
    return awaitable<connect_by_name_op>(on, host, service, options, until);
}
/// The same without options.
[[nodiscard]] inline awaitable<connect_by_name_op> connect_by_name(loop& on, std::string_view host,
                                                                   std::string_view service,
                                                                   deadline until) noexcept {
    return awaitable<connect_by_name_op>(on, host, service, connect_options{}, until);
}

}  // namespace thole::tcp
