// SPDX-License-Identifier: BSL-1.0
/// \file
/// What event and queue share: operations that wait for something inside the loop.
#pragma once

#include <thole/operation.hpp>

namespace thole::detail {

class wait_list;

/// An operation that stands in a wait_list while it is pending.
class waiting_operation : public local_operation {
protected:
    using local_operation::local_operation;

    void end_with(errc ending) noexcept {
        error = static_cast<int>(ending);
        own_error = true;
    }
    /// Takes it out of its list: the `cancel` of every kind.
    THOLE_API static bool leave(local_operation& op) noexcept;

private:
    friend class wait_list;
    waiting_operation* later_ = nullptr;
    waiting_operation* earlier_ = nullptr;
    wait_list* in_ = nullptr;
};

/// Who waits for the same thing, in order. All are of one loop.
class wait_list {
public:
    wait_list() noexcept = default;
    wait_list(const wait_list&) = delete;
    wait_list& operator=(const wait_list&) = delete;
    /// Who still waits ends with errc::closed.
    ~wait_list() { close(); }

    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] waiting_operation* front() const noexcept { return first_; }
    /// True: it waits from now on. False: it is settled, with operation_not_permitted, because the
    /// others are another loop's.
    [[nodiscard]] THOLE_API bool enter(waiting_operation& op) noexcept;
    /// It has what it waited for.
    THOLE_API void finish(waiting_operation& op) noexcept;
    /// All end with errc::closed.
    THOLE_API void close() noexcept;

private:
    friend class waiting_operation;
    void remove(waiting_operation& op) noexcept;

    waiting_operation* first_ = nullptr;
    waiting_operation* last_ = nullptr;
};

}  // namespace thole::detail
