// SPDX-License-Identifier: BSL-1.0
// What a person reads.
#include <thole/endpoint.hpp>
#include <thole/error.hpp>
#include <thole/operation.hpp>

namespace thole {

std::string describe(std::string_view operation, const endpoint& where,
                     const std::error_code& error) {
    std::string line(operation);
    if (where) {
        line += operation.starts_with(to_string(verb::connect)) ? " to " : " on ";
        line += where.to_string();
    }
    line += ": ";
    line += error.message();
    const std::string_view name = symbol(error);
    line += " (";
    line += name.empty() ? std::to_string(error.value()) : std::string(name);
    line += ')';
    return line;
}

std::string_view to_string(verb what) noexcept {
    switch (what) {
    case verb::none:
        return "post";
    case verb::sleep:
        return "sleep";
    case verb::wait:
        return "wait";
    case verb::push:
        return "push";
    case verb::pop:
        return "pop";
    case verb::resolve:
        return "resolve";
    case verb::next_signal:
        return "next signal";
    case verb::connect_by_list:
        return "connect by list";
    case verb::connect_by_name:
        return "connect by name";
    case verb::accept_first_data:
        return "accept first data";
    case verb::close_gracefully:
        return "close gracefully";
    case verb::connect:
        return "connect";
    case verb::accept:
    case verb::accept_detached:
        return "accept";
    case verb::closed:
        return "closed";
    case verb::wait_readable:
        return "wait readable";
    case verb::peek:
        return "peek";
    case verb::receive:
        return "receive";
    case verb::read:
        return "read";
    case verb::read_exactly:
        return "read exactly";
    case verb::write:
        return "write";
    case verb::write_some:
        return "write some";
    }
    return {};
}

}  // namespace thole
