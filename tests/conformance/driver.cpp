// SPDX-License-Identifier: BSL-1.0
#include "driver.hpp"

#include <array>

namespace thole::conformance {
namespace {

struct word {
    std::errc meaning;
    std::string_view text;
};

using enum std::errc;

constexpr std::array words{
    word{operation_canceled, "cancelled"},
    word{bad_file_descriptor, "closed"},
    word{operation_in_progress, "operation_in_progress"},
    word{connection_refused, "connection_refused"},
    word{connection_reset, "connection_reset"},
    word{connection_aborted, "connection_aborted"},
    word{broken_pipe, "broken_pipe"},
    word{not_connected, "not_connected"},
    word{already_connected, "already_connected"},
    word{address_in_use, "address_in_use"},
    word{address_not_available, "address_not_available"},
    word{invalid_argument, "invalid_argument"},
    word{permission_denied, "permission_denied"},
    word{timed_out, "timed_out"},
    word{network_unreachable, "network_unreachable"},
    word{host_unreachable, "host_unreachable"},
    word{not_a_socket, "not_a_socket"},
};

}  // namespace

std::string word_of(std::errc meaning) {
    for (const word& row : words) {
        if (row.meaning == meaning) {
            return std::string(row.text);
        }
    }
    return "errc_" + std::to_string(static_cast<int>(meaning));
}

}  // namespace thole::conformance
