// SPDX-License-Identifier: BSL-1.0
#include "support/test.hpp"

#include <map>
#include <random>
#include <set>
#include <string>

#include <thole/endpoint.hpp>

namespace {

using thole::address_family;
using thole::endpoint;

static_assert(std::is_trivially_copyable_v<endpoint>);
static_assert(sizeof(endpoint) <= 24);

THOLE_TEST("IPv4 endpoints parse and print", "[endpoint]") {
    const auto e = endpoint::parse("192.0.2.17:8080");
    REQUIRE(e);
    CHECK(e->family() == address_family::ipv4);
    CHECK(e->port() == 8080);
    CHECK(e->scope() == 0);
    CHECK(e->bytes()[0] == 192);
    CHECK(e->bytes()[1] == 0);
    CHECK(e->bytes()[2] == 2);
    CHECK(e->bytes()[3] == 17);
    CHECK(*e == endpoint(endpoint::ipv4_bytes{192, 0, 2, 17}, 8080));
    for (const char* text : {"0.0.0.0:0", "255.255.255.255:65535", "127.0.0.1:1", "1.2.3.4:80",
                             "10.0.0.255:443", "100.64.0.1:7"}) {
        CAPTURE(text);
        const auto read = endpoint::parse(text);
        REQUIRE(read);
        CHECK(read->to_string() == text);
    }
}

THOLE_TEST("IPv6 endpoints print as RFC 5952 says", "[endpoint]") {
    struct vector {
        const char* in;
        const char* out;
    };
    const vector vectors[] = {
        // §2, §4.1: leading zeros go; §4.3: lower case
        {"[2001:0db8:0000:0000:0001:0000:0000:0001]:80", "[2001:db8::1:0:0:1]:80"},
        {"[2001:DB8::1]:80", "[2001:db8::1]:80"},
        {"[2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001]:1", "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:1]:1"},
        {"[ABCD:EF01:2345:6789:ABCD:EF01:2345:6789]:9",
         "[abcd:ef01:2345:6789:abcd:ef01:2345:6789]:9"},
        // §4.2.1: as short as possible
        {"[2001:db8:0:0:0:0:2:1]:80", "[2001:db8::2:1]:80"},
        {"[2001:db8::0:1]:80", "[2001:db8::1]:80"},
        // §4.2.2: one group of zeros is not shortened
        {"[2001:db8:0:1:1:1:1:1]:80", "[2001:db8:0:1:1:1:1:1]:80"},
        {"[2001:db8::1:1:1:1:1]:80", "[2001:db8:0:1:1:1:1:1]:80"},
        {"[::1:2:3:4:5:6:7]:80", "[0:1:2:3:4:5:6:7]:80"},
        {"[1:2:3:4:5:6:7::]:80", "[1:2:3:4:5:6:7:0]:80"},
        // §4.2.3: the longest run, and the first of equal ones
        {"[2001:0:0:1:0:0:0:1]:80", "[2001:0:0:1::1]:80"},
        {"[2001:db8:0:0:1:0:0:1]:80", "[2001:db8::1:0:0:1]:80"},
        {"[0:0:1:0:0:0:0:0]:80", "[0:0:1::]:80"},
        {"[0:0:0:1:0:0:0:1]:80", "[::1:0:0:0:1]:80"},
        // ends, and the whole
        {"[0:0:0:0:0:0:0:0]:0", "[::]:0"},
        {"[0:0:0:0:0:0:0:1]:65535", "[::1]:65535"},
        {"[::]:80", "[::]:80"},
        {"[1::]:80", "[1::]:80"},
        {"[fe80:0:0:0:0:0:0:0]:80", "[fe80::]:80"},
        {"[ff01::101]:80", "[ff01::101]:80"},
        // RFC 4291 §2.2.3: the last 32 bits in dotted form; RFC 5952 §5 prints mapped ones so
        {"[::ffff:129.144.52.38]:80", "[::ffff:129.144.52.38]:80"},
        {"[0:0:0:0:0:FFFF:129.144.52.38]:80", "[::ffff:129.144.52.38]:80"},
        {"[::ffff:c000:201]:80", "[::ffff:192.0.2.1]:80"},
        {"[64:ff9b::192.0.2.33]:80", "[64:ff9b::c000:221]:80"},
        {"[1:2:3:4:5:6:1.2.3.4]:80", "[1:2:3:4:5:6:102:304]:80"},
        // RFC 4007 §11, a numeric zone
        {"[fe80::1%3]:80", "[fe80::1%3]:80"},
        {"[fe80::1%4294967295]:80", "[fe80::1%4294967295]:80"},
    };
    for (const vector& v : vectors) {
        CAPTURE(v.in);
        const auto read = endpoint::parse(v.in);
        REQUIRE(read);
        CHECK(read->family() == address_family::ipv6);
        CHECK(read->to_string() == v.out);
        const auto again = endpoint::parse(v.out);
        REQUIRE(again);
        CHECK(*again == *read);
    }
}

constexpr std::string_view malformed[] = {
    // clang-format off
    "", " ", ":", ":80", "80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:80 ", " 1.2.3.4:80",
    "1.2.3.4:65536", "1.2.3.4:99999999999999999999", "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4:0x50",
    "1.2.3.4:http", "1.2.3.4:80:", "1.2.3.4:8 0", "1.2.3:80", "1.2.3.4.5:80", "1.2.3.:80",
    ".1.2.3:80", "1..2.3:80", "256.1.1.1:80", "1.2.3.999:80", "1.2.3.-4:80", "01.2.3.4:80",
    "1.2.3.04:80", "0x7f.0.0.1:80", "2130706433:80", "localhost:80", "a.b:80", "1.2.3.4/80",
    "[1.2.3.4]:80", "[1.2.3.4:80", "1.2.3.4]:80", "[::1]", "[::1]:", "[::1]80", "[::1]:65536",
    "[::1:80", "::1]:80", "::1:80", "::1", "[]:80", "[:]:80", "[:::]:80", "[1:::2]:80",
    "[1::2::3]:80", "[12345::]:80", "[g::1]:80", "[1:2:3:4:5:6:7]:80", "[1:2:3:4:5:6:7:8:9]:80",
    "[1:2:3:4:5:6:7:8::]:80", "[::1:2:3:4:5:6:7:8]:80", "[:1:2:3:4:5:6:7]:80",
    "[1:2:3:4:5:6:7:]:80", "[1:2:3:4:5:6:7:1.2.3.4]:80", "[1.2.3.4::]:80", "[::1.2.3]:80",
    "[::1.2.3.256]:80", "[::1.2.3.4:5]:80", "[::01.2.3.4]:80", "[fe80::1%]:80",
    "[fe80::1%a]:80", "[fe80::1%-1]:80", "[fe80::1%4294967296]:80", "[fe80::1%3%4]:80",
    "[%3]:80", "[::1 ]:80", "[ ::1]:80", "[[::1]]:80", "[::1]:80]", "1.2.3.4%1:80", "[::1]:8.0",
    "-1.2.3.4:80", "none",
    // clang-format on
};

THOLE_TEST("what is no endpoint is invalid_argument", "[endpoint]") {
    CHECK(std::size(malformed) >= 40);
    for (const std::string_view text : malformed) {
        CAPTURE(text);
        const auto read = endpoint::parse(text);
        CHECK_FALSE(read);
        CHECK(read.error() == std::errc::invalid_argument);
    }
    using namespace std::string_view_literals;
    CHECK_FALSE(endpoint::parse("1.2.3.4:80\0"sv));
    CHECK_FALSE(endpoint::parse("1.2.3.4\0:80"sv));
    CHECK_FALSE(endpoint::parse(std::string(100'000, ':')));
    CHECK_FALSE(endpoint::parse(std::string(100'000, '1')));
    CHECK_FALSE(endpoint::parse("[" + std::string(100'000, '0') + "::1]:80"));
    CHECK_FALSE(endpoint::parse("1.2.3.4:" + std::string(100'000, '0') + "x"));
}

THOLE_TEST("any endpoint goes through text unchanged", "[endpoint]") {
    std::mt19937 random(20'251'121);
    const auto byte = [&] {  // zeros and 0xff are what the short forms turn on
        const auto n = random();
        return static_cast<std::uint8_t>(n % 3 == 0 ? 0 : n % 7 == 0 ? 0xff : n >> 8);
    };
    for (int i = 0; i < 20'000; ++i) {
        const auto port = static_cast<std::uint16_t>(random());
        endpoint given;
        if (i % 3 == 0) {
            given = endpoint(endpoint::ipv4_bytes{byte(), byte(), byte(), byte()}, port);
        } else {
            endpoint::ipv6_bytes bytes{};
            for (std::size_t k = 0; k < bytes.size(); k += 2) {
                if (random() % 2 == 0) {
                    bytes[k] = byte();
                    bytes[k + 1] = byte();
                }
            }
            given = endpoint(bytes, port, i % 5 == 0 ? static_cast<std::uint32_t>(random()) : 0);
        }
        const std::string text = given.to_string();
        const auto read = endpoint::parse(text);
        CAPTURE(text);
        REQUIRE(read);
        REQUIRE(*read == given);
    }
}

THOLE_TEST("mutations of good endpoints never confuse the parser", "[endpoint]") {
    std::mt19937 random(5952);
    const std::string letters = "0123456789abcdefABCDEF:.[]%/ x-+";
    const std::string good[] = {"192.0.2.1:80", "[2001:db8::1%3]:80", "[::ffff:1.2.3.4]:65535"};
    for (int i = 0; i < 30'000; ++i) {
        std::string text = good[random() % 3];
        for (auto n = 1 + random() % 3; n > 0; --n) {
            const std::size_t at = random() % text.size();
            if (random() % 3 == 0) {
                text.erase(at, 1);
            } else {
                text[at] = letters[random() % letters.size()];
            }
        }
        const auto read = endpoint::parse(text);
        if (read) {  // then it means what it prints
            CAPTURE(text);
            REQUIRE(endpoint::parse(read->to_string()) == read);
        } else {
            REQUIRE(read.error() == std::errc::invalid_argument);
        }
    }
}

THOLE_TEST("an empty endpoint", "[endpoint]") {
    constexpr endpoint none;
    CHECK(none.family() == address_family::none);
    CHECK_FALSE(none);
    CHECK(none.to_string() == "none");
    CHECK_FALSE(none.is_loopback());
    CHECK_FALSE(none.is_unspecified());
    CHECK(none == endpoint{});
}

THOLE_TEST("loopback and any", "[endpoint]") {
    CHECK(endpoint::loopback(address_family::ipv4, 5).to_string() == "127.0.0.1:5");
    CHECK(endpoint::loopback(address_family::ipv6, 5).to_string() == "[::1]:5");
    CHECK(endpoint::any(address_family::ipv4, 5).to_string() == "0.0.0.0:5");
    CHECK(endpoint::any(address_family::ipv6, 5).to_string() == "[::]:5");
    const std::map<const char*, bool> loopback = {{"127.0.0.1:1", true},
                                                  {"127.255.1.2:1", true},
                                                  {"128.0.0.1:1", false},
                                                  {"126.255.0.1:1", false},
                                                  {"[::1]:1", true},
                                                  {"[::2]:1", false},
                                                  {"[::]:1", false},
                                                  {"[::ffff:127.9.9.9]:1", true},
                                                  {"[::ffff:10.0.0.1]:1", false},
                                                  {"[::127.0.0.1]:1", false},
                                                  {"0.0.0.0:1", false}};
    for (const auto& [text, expected] : loopback) {
        CAPTURE(text);
        CHECK(endpoint::parse(text).value().is_loopback() == expected);
    }
    CHECK(endpoint::parse("0.0.0.0:9").value().is_unspecified());
    CHECK(endpoint::parse("[::]:9").value().is_unspecified());
    CHECK_FALSE(endpoint::parse("0.0.0.1:9").value().is_unspecified());
    CHECK_FALSE(endpoint::parse("[::1]:9").value().is_unspecified());
}

THOLE_TEST("endpoints compare and sort as values", "[endpoint]") {
    const auto read = [](const char* text) { return endpoint::parse(text).value(); };
    CHECK(read("1.2.3.4:80") == read("1.2.3.4:80"));
    CHECK(read("1.2.3.4:80") != read("1.2.3.4:81"));
    CHECK(read("1.2.3.4:80") != read("1.2.3.5:80"));
    CHECK(read("0.0.0.0:80") != read("[::]:80"));
    CHECK(read("[fe80::1%1]:80") != read("[fe80::1%2]:80"));
    CHECK(read("1.2.3.4:80").with_port(81) == read("1.2.3.4:81"));
    CHECK(read("[fe80::1%1]:80").with_port(81) == read("[fe80::1%1]:81"));
    const std::set<endpoint> sorted = {read("1.2.3.4:80"), read("1.2.3.4:80"), read("[::1]:80")};
    CHECK(sorted.size() == 2);
}

}  // namespace
