// SPDX-License-Identifier: BSL-1.0
/// \file
/// Bytes one way: the operations behind reading and writing.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

#include <thole/deadline.hpp>
#include <thole/operation.hpp>
#include <thole/result.hpp>

namespace thole::tcp {

class socket;

using mutable_bytes = std::span<std::byte>;                  ///< where received bytes go
using const_bytes = std::span<const std::byte>;              ///< what is sent
using scatter = std::span<const std::span<std::byte>>;       ///< several of the first
using gather = std::span<const std::span<const std::byte>>;  ///< several of the second

/// Bytes one way. `R` is result<std::size_t> where one step does it, transfer where several may.
template <verb V, class R, class Byte>
class transfer_op : public operation {
public:
    using result_type = R;
    using buffer_type = std::span<Byte>;                   ///< one buffer
    using pieces_type = std::span<const std::span<Byte>>;  ///< several

    transfer_op() noexcept = default;
    transfer_op(socket& on, buffer_type bytes, deadline until) noexcept {
        prepare(on, bytes, until);
    }
    transfer_op(socket& on, pieces_type pieces, deadline until) noexcept {
        prepare(on, pieces, until);
    }
    void prepare(socket& on, buffer_type bytes, deadline until = {}) noexcept;
    void prepare(socket& on, pieces_type pieces, deadline until = {}) noexcept;

    [[nodiscard]] R take() noexcept {
        if constexpr (std::is_same_v<R, transfer>) {
            return {this->count, this->outcome()};
        } else {
            if (this->error != 0) {
                return unexpected(this->failure());
            }
            return this->count;
        }
    }
};

/// The operation behind socket::read().
using read_op = transfer_op<verb::read, result<std::size_t>, std::byte>;
/// The operation behind socket::read_exactly().
using read_exactly_op = transfer_op<verb::read_exactly, transfer, std::byte>;
/// The operation behind socket::peek().
using peek_op = transfer_op<verb::peek, result<std::size_t>, std::byte>;
/// The operation behind socket::write().
using write_op = transfer_op<verb::write, transfer, const std::byte>;
/// The operation behind socket::write_some().
using write_some_op = transfer_op<verb::write_some, result<std::size_t>, const std::byte>;

/// A wait that takes nothing.
template <verb V>
class wait_op : public operation {
public:
    using result_type = result<void>;
    wait_op() noexcept = default;
    wait_op(socket& on, deadline until) noexcept { prepare(on, until); }
    void prepare(socket& on, deadline until = {}) noexcept;
    [[nodiscard]] result<void> take() noexcept { return done(); }
};

/// The operation behind socket::wait_readable().
using wait_readable_op = wait_op<verb::wait_readable>;
/// The operation behind socket::closed().
using closed_op = wait_op<verb::closed>;

}  // namespace thole::tcp
