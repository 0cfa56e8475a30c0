// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <array>
#include <set>
#include <string>

#include <thole/endpoint.hpp>
#include <thole/error.hpp>
#include <thole/operation.hpp>

#include "core/backend.hpp"
#include "core/error_table.hpp"

namespace {

using thole::errc;
using thole::detail::error_row;
using thole::detail::error_table;

std::error_code code_of(const error_row& row) { return {row.raw, thole::system_category()}; }

constexpr std::array endings = {errc::end_of_stream,           errc::cancelled,
                                errc::deadline_reached,        errc::closed,
                                errc::limit_reached,           errc::operation_in_progress,
                                errc::name_not_found,          errc::name_lookup_failed,
                                errc::name_lookup_unavailable, errc::service_not_found};

// What the kernels' codes can mean, and what ours do.
constexpr std::array meanings = {std::errc::connection_refused,
                                 std::errc::connection_reset,
                                 std::errc::connection_aborted,
                                 std::errc::timed_out,
                                 std::errc::network_unreachable,
                                 std::errc::host_unreachable,
                                 std::errc::network_down,
                                 std::errc::broken_pipe,
                                 std::errc::not_connected,
                                 std::errc::already_connected,
                                 std::errc::address_in_use,
                                 std::errc::address_not_available,
                                 std::errc::too_many_files_open,
                                 std::errc::no_buffer_space,
                                 std::errc::not_enough_memory,
                                 std::errc::permission_denied,
                                 std::errc::operation_not_permitted,
                                 std::errc::bad_file_descriptor,
                                 std::errc::operation_canceled,
                                 std::errc::operation_in_progress,
                                 std::errc::invalid_argument,
                                 std::errc::interrupted,
                                 std::errc::message_size,
                                 std::errc::not_supported,
                                 std::errc::io_error,
                                 std::errc::resource_deadlock_would_occur};

const error_row* row_meaning(std::errc meaning) {
    for (const error_row& row : error_table()) {
        if (row.meaning == meaning) {
            return &row;
        }
    }
    return nullptr;
}

// An operation whose outcome a test may read.
struct settled : thole::operation {
    settled() { reset(thole::verb::read, nullptr, thole::never); }
    using operation::outcome;
};

THOLE_TEST("every row of the error table equals the std::errc of its meaning", "[error]") {
    REQUIRE(error_table().size() >= 20);
    for (const error_row& row : error_table()) {
        CAPTURE(row.raw, symbol_of(row));
        const std::error_code code = code_of(row);
        CHECK(code);
        CHECK(code == row.meaning);
        CHECK(code == row.also);
        CHECK(code.default_error_condition() == row.meaning);
        CHECK(code.value() == row.raw);
        for (const std::errc other : meanings) {
            if (other != row.meaning && other != row.also) {
                CAPTURE(static_cast<int>(other));
                CHECK(code != other);
            }
        }
        for (const errc own : endings) {
            CHECK(code != make_error_code(own));
        }
    }
}

THOLE_TEST("symbols and messages of the table are there and unique", "[error]") {
    std::set<std::string_view> symbols;
    std::set<int> raws;
    for (const error_row& row : error_table()) {
        CAPTURE(row.raw, symbol_of(row));
        CHECK_FALSE(symbol_of(row).empty());
        CHECK(symbols.insert(symbol_of(row)).second);
        CHECK(raws.insert(row.raw).second);
        CHECK(thole::symbol(code_of(row)) == symbol_of(row));
        const std::string message = code_of(row).message();
        REQUIRE_FALSE(message.empty());
        CHECK(message.find_first_of("\r\n") == std::string::npos);
        CHECK(message.back() != '.');
        CHECK(message.back() != ' ');
    }
    for (const errc own : endings) {
        CHECK(symbols.insert(thole::symbol(make_error_code(own))).second);
    }
}

THOLE_TEST("a code outside the table keeps its raw value and means nothing of ours", "[error]") {
    const std::error_code strange(987654, thole::system_category());
    CHECK(strange.value() == 987654);
    CHECK(thole::symbol(strange).empty());
    CHECK_FALSE(strange.message().empty());
    for (const std::errc meaning : meanings) {
        CHECK(strange != meaning);
    }
    CHECK(thole::symbol({}).empty());
    CHECK(thole::symbol(std::make_error_code(std::errc::timed_out)).empty());
}

THOLE_TEST("the categories have names of their own", "[error]") {
    CHECK(std::string(thole::category().name()) == "thole");
    const std::string system = thole::system_category().name();
    CHECK_FALSE(system.empty());
    CHECK(system != "thole");
    CHECK(thole::category() != thole::system_category());
    for (const errc own : endings) {
        CHECK(make_error_code(own).category() == thole::category());
        CHECK_FALSE(make_error_code(own).message().empty());
    }
    CHECK(thole::symbol(errc::deadline_reached) == "deadline_reached");
    CHECK(thole::symbol(errc::end_of_stream) == "end_of_stream");
    CHECK(thole::symbol(std::error_code(4711, thole::category())).empty());
}

THOLE_TEST("our endings equal the std::errc that error.hpp names, and no other", "[error]") {
    struct pair {
        errc own;
        std::errc std;
    };
    constexpr pair named[] = {
        {errc::cancelled, std::errc::operation_canceled},
        {errc::deadline_reached, std::errc::timed_out},
        {errc::closed, std::errc::bad_file_descriptor},
        {errc::operation_in_progress, std::errc::operation_in_progress},
    };
    for (const errc own : endings) {
        CAPTURE(thole::symbol(own));
        for (const std::errc meaning : meanings) {
            bool expected = false;
            for (const pair& p : named) {
                expected = expected || (p.own == own && p.std == meaning);
            }
            CAPTURE(static_cast<int>(meaning));
            CHECK((make_error_code(own) == meaning) == expected);
        }
    }
}

THOLE_TEST("timed_out is the kernel's and ours, deadline_reached is ours alone", "[error]") {
    const error_row* row = row_meaning(std::errc::timed_out);
    REQUIRE(row != nullptr);
    CHECK(code_of(*row) == std::errc::timed_out);
    CHECK(make_error_code(errc::deadline_reached) == std::errc::timed_out);
    CHECK(code_of(*row) != errc::deadline_reached);
}

THOLE_TEST("a reset is never an end of stream and never a cancel", "[error]") {
    int resets = 0;
    for (const error_row& row : error_table()) {
        if (row.meaning == std::errc::connection_reset || row.also == std::errc::connection_reset) {
            ++resets;
            CAPTURE(symbol_of(row));
            CHECK(code_of(row) != errc::end_of_stream);
            CHECK(code_of(row) != errc::cancelled);
            CHECK(code_of(row) != std::errc::operation_canceled);
        }
    }
    CHECK(resets > 0);
}

THOLE_TEST("an abort that nobody asked for is never a cancel", "[error]") {
    int raw = error_table().front().raw;
    for (const error_row& row : error_table()) {
        if (symbol_of(row) == "ECANCELED" || symbol_of(row) == "ERROR_OPERATION_ABORTED") {
            raw = row.raw;
        }
    }
    settled op;
    settle_aborted(op, raw);
    CHECK(op.outcome());
    CHECK(op.outcome() != errc::cancelled);
    CHECK(op.outcome() != std::errc::operation_canceled);
    CHECK(op.outcome() != errc::end_of_stream);
}

THOLE_TEST("what a backend settles is the outcome", "[error]") {
    settled fine;  // an operation is settled once
    thole::detail::settle_done(fine);
    CHECK_FALSE(fine.outcome());
    const error_row* reset = row_meaning(std::errc::connection_reset);
    REQUIRE(reset != nullptr);
    settled failed;
    settle_error(failed, reset->raw);
    CHECK(failed.outcome() == std::errc::connection_reset);
    CHECK(failed.outcome().value() == reset->raw);
    settled ended;
    settle_own(ended, errc::end_of_stream);
    CHECK(ended.outcome() == errc::end_of_stream);
}

THOLE_TEST("no port left in a connect is address_not_available", "[error]") {
    const error_row* in_use = row_meaning(std::errc::address_in_use);
    REQUIRE(in_use != nullptr);
    const auto decoded = [&](thole::verb what) {
        return std::error_code(thole::detail::decode(what, in_use->raw), thole::system_category());
    };
    CHECK(decoded(thole::verb::connect) == std::errc::address_not_available);
    CHECK(decoded(thole::verb::read) == std::errc::address_in_use);
}

THOLE_TEST("what a person reads names the operation, the endpoint and the code", "[error]") {
    const error_row* refused = row_meaning(std::errc::connection_refused);
    REQUIRE(refused != nullptr);
    const auto where = thole::endpoint::parse("127.0.0.1:1").value();
    const std::string line = thole::describe("connect", where, code_of(*refused));
    CAPTURE(line);
    CHECK(line == "connect to 127.0.0.1:1: " + code_of(*refused).message() + " (" +
                      std::string(symbol_of(*refused)) + ")");
    const std::string own = thole::describe("connect", where, errc::deadline_reached);
    CHECK(own.find("127.0.0.1:1") != std::string::npos);
    CHECK(own.find("(deadline_reached)") != std::string::npos);
    CHECK(own.find('\n') == std::string::npos);
    const std::string nowhere = thole::describe("read", {}, errc::closed);
    CHECK(nowhere.find("read") == 0);
    CHECK(nowhere.find("none") == std::string::npos);
}

THOLE_TEST("every verb has its words", "[error]") {
    CHECK(to_string(thole::verb::connect) == "connect");
    CHECK(to_string(thole::verb::read_exactly) == "read exactly");
    for (int i = 0; i <= static_cast<int>(thole::verb::write_some); ++i) {
        CHECK(to_string(static_cast<thole::verb>(i)).data() != nullptr);
    }
}

}  // namespace
