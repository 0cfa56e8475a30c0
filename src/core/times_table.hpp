// SPDX-License-Identifier: BSL-1.0
// The default times of a loop's sockets. A program has few different ones, so that a socket keeps a
// number of one byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include <thole/options.hpp>

namespace thole::detail {

class times_table {
public:
    static constexpr std::size_t most = 255;

    // False: no memory. Call before take().
    [[nodiscard]] bool reserve() noexcept {
        if (rows_ == nullptr) {
            rows_.reset(new (std::nothrow) row[most]);
        }
        return rows_ != nullptr;
    }
    // The number of these times, which is given back when it is used no more; 0: none is free.
    [[nodiscard]] std::uint8_t take(const tcp::transfer_times& times) noexcept {
        row* free = nullptr;
        for (std::size_t i = 0; i < most; ++i) {
            row& one = rows_[i];
            if (one.users != 0 && one.times == times) {
                free = &one;
                break;
            }
            if (one.users == 0 && free == nullptr) {
                free = &one;
            }
        }
        if (free == nullptr) {
            return 0;
        }
        free->times = times;
        ++free->users;
        return static_cast<std::uint8_t>(free - rows_.get() + 1);
    }
    void give_back(std::uint8_t number) noexcept {
        if (number != 0) {
            --rows_[number - 1U].users;
        }
    }
    [[nodiscard]] tcp::transfer_times operator[](std::uint8_t number) const noexcept {
        return number != 0 ? rows_[number - 1U].times : tcp::transfer_times{};
    }

private:
    struct row {
        tcp::transfer_times times;
        std::size_t users = 0;
    };

    std::unique_ptr<row[]> rows_;
};

}  // namespace thole::detail
