// SPDX-License-Identifier: BSL-1.0
// Requests of the http example, without a socket: whatever comes, in whatever pieces.
#include "http/request.hpp"
#include "support/test.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using http::request_reader;

namespace {

struct read_one {
    int status = 0;
    http::request asked;
};

// Everything that a reader makes of `bytes` when they come in pieces of `size`.
std::vector<read_one> requests_of(std::string_view bytes, std::size_t size) {
    const auto reader = std::make_unique<request_reader>();
    std::vector<read_one> all;
    for (;;) {
        const auto step = reader->next();
        if (step == request_reader::step::request) {
            all.push_back({0, reader->get()});
            continue;
        }
        if (step == request_reader::step::refused) {
            CHECK(reader->next() == request_reader::step::refused);  // and stays so
            all.push_back({reader->status(), {}});
            return all;
        }
        const auto space = reader->space();
        REQUIRE_FALSE(space.empty());
        const std::size_t count = std::min({size, space.size(), bytes.size()});
        if (count == 0) return all;
        std::memcpy(space.data(), bytes.data(), count);
        bytes.remove_prefix(count);
        reader->took(count);
    }
}

read_one only(std::string_view bytes) {
    const auto all = requests_of(bytes, bytes.size());
    REQUIRE(all.size() == 1);
    return all.front();
}

// The status that refuses it; 0 for a request.
int status_of(std::string_view bytes) { return only(bytes).status; }

std::string get(std::string_view target) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n\r\n";
}
std::string with_field(std::string_view line) {
    return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(line) + "\r\n\r\n";
}

}  // namespace

TEST_CASE("a request and what it says") {
    const auto [status, asked] = only(get("/a/b%20c.txt?x=1&y=%00"));
    CHECK(status == 0);
    CHECK(asked.how == http::method::get);
    CHECK(asked.path == "/a/b c.txt");
    CHECK(asked.keep_alive);
    CHECK(asked.body == 0);
    CHECK(only("HEAD / HTTP/1.1\r\nHost:a\r\n\r\n").asked.how == http::method::head);
    CHECK(only(get("http://host:80/a?b")).asked.path == "/a");
    CHECK(only(get("http://host?b")).asked.path == "/");
    CHECK(only(get("/%c3%A4")).asked.path == "/\xc3\xa4");
}

TEST_CASE("split at every byte, and in pieces of every size") {
    const std::string text = "\r\n" + get("/one") + "GET /two HTTP/1.1\r\nHost: b\r\n" +
                             "Content-Length: 5\r\nConnection: keep-alive, x\r\n\r\nGET /" +
                             "HEAD /three HTTP/1.0\r\n\r\n" + get("/four") + "BAD\r\n\r\n";
    for (std::size_t size = 1; size <= text.size(); ++size) {
        const auto all = requests_of(text, size);
        REQUIRE(all.size() == 5);
        CHECK(all[0].asked.path == "/one");
        CHECK(all[1].asked.path == "/two");
        CHECK(all[1].asked.body == 5);
        CHECK(all[2].asked.path == "/three");
        CHECK_FALSE(all[2].asked.keep_alive);
        CHECK(all[3].asked.path == "/four");
        CHECK(all[4].status == 400);
    }
}

TEST_CASE("a hundred pipelined requests") {
    std::string text;
    for (int i = 0; i < 100; ++i) text += get("/" + std::to_string(i) + std::string(400, 'x'));
    const auto all = requests_of(text, text.size());
    REQUIRE(all.size() == 100);
    CHECK(all[99].asked.path.starts_with("/99x"));
}

TEST_CASE("what keeps a connection") {
    CHECK_FALSE(only(with_field("Connection: close")).asked.keep_alive);
    CHECK_FALSE(only(with_field("connection: x , CLOSE")).asked.keep_alive);
    CHECK(only(with_field("Connection: closed")).asked.keep_alive);
    CHECK_FALSE(only("GET / HTTP/1.0\r\n\r\n").asked.keep_alive);
    CHECK(only("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").asked.keep_alive);
}

TEST_CASE("malformed: 400") {
    const char* const all[] = {
        "\n\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "GET\r\n\r\n",
        "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.x\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",                        // no Host
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",  // two
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",            // a blank before the colon
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    for (const char* const text : all) {
        INFO(text);
        CHECK(status_of(text) == 400);
    }
}

TEST_CASE("targets that are refused") {
    for (const char* const target :
         {"*", "a", "", "/\x80", "/a#b", "/%", "/%4", "/%zz", "/%00", "/a%2fb", "/%2Fetc", "/%0a",
          "/%7f", "http://", "http:///a", "https://a/"}) {
        INFO(target);
        CHECK(status_of(get(target)) == 400);
    }
    // Two dots are the site's business: decoded, they are in the path as they are.
    CHECK(only(get("/%2e%2E/x")).asked.path == "/../x");
}

TEST_CASE("methods, versions, codings: 405, 501, 505") {
    CHECK(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc") == 405);
    CHECK(status_of("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n") == 405);
    CHECK(status_of("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n") == 405);
    CHECK(status_of("BREW / HTTP/1.1\r\nHost: a\r\n\r\n") == 501);
    CHECK(status_of("get / HTTP/1.1\r\nHost: a\r\n\r\n") == 501);
    CHECK(status_of(with_field("Transfer-Encoding: chunked")) == 501);
    CHECK(status_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n") == 505);
    CHECK(status_of("BREW / HTTP/3.0\r\nHost: a\r\n\r\n") == 505);
}

TEST_CASE("bounds: 413, 414, 431") {
    CHECK(status_of(with_field("Content-Length: 65536")) == 0);
    CHECK(status_of(with_field("Content-Length: 65537")) == 413);
    CHECK(status_of(with_field("Content-Length: 99999999999999999999999")) == 413);
    CHECK(status_of(get("/" + std::string(http::longest_target - 1, 'a'))) == 0);
    CHECK(status_of(get("/" + std::string(http::longest_target, 'a'))) == 414);
    CHECK(status_of("GET /" + std::string(http::longest_head, 'a')) == 414);
    CHECK(status_of(with_field("X: " + std::string(http::longest_head, 'a'))) == 431);
    std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
    while (many.size() < http::longest_head) many += "X: a\r\n";
    CHECK(status_of(many) == 431);
    // As long as it may be, and one more.
    const std::string room(http::longest_head - with_field("X: ").size(), 'a');
    CHECK(status_of(with_field("X: " + room)) == 0);
    CHECK(status_of(with_field("X: a" + room)) == 431);
}

TEST_CASE("any byte anywhere is answered, or waited for") {
    const std::string whole = with_field("Content-Length: 2");
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (int byte = 0; byte < 256; ++byte) {
            std::string changed = whole;
            changed[at] = static_cast<char>(byte);
            const auto once = requests_of(changed, changed.size());
            const auto pieces = requests_of(changed, 7);
            REQUIRE(once.size() == pieces.size());
            for (std::size_t i = 0; i < once.size(); ++i) {
                REQUIRE(once[i].status == pieces[i].status);
                REQUIRE(once[i].asked.path == pieces[i].asked.path);
            }
        }
    }
}
