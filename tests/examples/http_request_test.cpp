// SPDX-License-Identifier: BSL-1.0
// Requests of the http example, without a socket: whatever comes, in whatever pieces.
#include "http/request.hpp"
#include "support/test.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using http::request_reader;

namespace {

struct read_one {
    int status = 0;
    http::request asked;
};

struct read_all {
    std::vector<read_one> requests;
    bool begun = false;  // some of one more has come
};

// Everything that a reader makes of `bytes`, which come in pieces: `next_size` says how large. What
// stands in the reader's space beyond them is `other`, again and again.
template <class F>
read_all read_in_pieces(std::string_view bytes, F next_size, std::string_view other) {
    const auto reader = std::make_unique<request_reader>();
    read_all all;
    for (;;) {
        const auto step = reader->next();
        if (step == request_reader::step::request) {
            all.requests.push_back({0, reader->get()});
            continue;
        }
        if (step == request_reader::step::refused) {
            if (reader->next() != request_reader::step::refused) FAIL("refused, and taken back");
            all.requests.push_back({reader->status(), {}});
            return all;
        }
        const auto space = reader->space();
        if (space.empty()) FAIL("it wants more, and has no room");
        const std::size_t count = std::min({next_size(), space.size(), bytes.size()});
        if (count == 0) break;
        std::memcpy(space.data(), bytes.data(), count);
        const auto rest = space.subspan(count);
        for (std::size_t at = 0; at < rest.size() && at < 64; at += other.size()) {
            std::memcpy(&rest[at], other.data(), std::min(other.size(), rest.size() - at));
        }
        bytes.remove_prefix(count);
        reader->took(count);
    }
    all.begun = reader->begun();
    return all;
}

std::vector<read_one> requests_of(std::string_view bytes, std::size_t size) {
    return read_in_pieces(
               bytes, [size] { return size; }, "x")
        .requests;
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

namespace {

constexpr int statuses[] = {0, 400, 405, 413, 414, 431, 501, 505};

bool equal(const read_all& one, const read_all& other) {
    const auto fields = [](const read_one& each) {
        const http::request& asked = each.asked;
        return std::tie(each.status, asked.how, asked.path, asked.body, asked.keep_alive);
    };
    return one.begun == other.begun &&
           std::ranges::equal(one.requests, other.requests, {}, fields, fields);
}

// What the header promises of each answer.
bool is_kept(const read_one& each) {
    const http::request& asked = each.asked;
    return each.status != 0 ? std::ranges::count(statuses, each.status) == 1
                            : asked.path.starts_with('/') && asked.body <= http::longest_body &&
                                  std::ranges::none_of(asked.path, [](char c) {
                                      return (c >= 0 && c < ' ') || c == '\x7f';
                                  });
}

// Good requests, then one to four strokes of bad luck.
class mutations {
public:
    std::string next() {
        std::string text = good();
        if (draw(3) == 0) text += good();
        for (std::size_t left = 1 + draw(4); left != 0; --left) strike(text);
        return text;
    }
    std::size_t draw(std::size_t below) { return random_() % below; }

private:
    std::string good() {
        static const std::string all[] = {
            get("/a/b%20c.txt?x=1&y=%00"),
            "\r\nHEAD http://host:80/x HTTP/1.1\r\nHost: b\r\nAccept: */*\r\n\r\n",
            "GET /d HTTP/1.1\r\nhost:c\r\nContent-Length: 5\r\n\r\nGET /",
            "GET / HTTP/1.0\r\nConnection: keep-alive, x\r\n\r\n",
            with_field("Connection: close\r\nCookie: a=b;\tc"),
        };
        return all[draw(std::size(all))];
    }
    void strike(std::string& text) {
        static const std::string words[] = {"\r\n",
                                            "\r",
                                            "\n",
                                            "\r\n\r\n",
                                            " ",
                                            ":",
                                            "%",
                                            "%2f",
                                            "\xff",
                                            std::string(1, '\0'),
                                            "POST",
                                            "BREW",
                                            "HTTP/2.0",
                                            "http://b",
                                            "Host",
                                            "Connection",
                                            "65537",
                                            "\r\nContent-Length: 65537\r\nX:",
                                            "\r\nTransfer-Encoding: chunked\r\nX:"};
        const std::string& word = words[draw(std::size(words))];
        const std::size_t at = draw(5) == 0 ? 0 : draw(text.size() + 1);
        const std::size_t size = std::min(draw(12), text.size() - at);
        const std::size_t which = draw(50);
        if (which == 0) {  // too much of something
            text.insert(at,
                        std::string(draw(2) == 0 ? http::longest_target : http::longest_head, 'a'));
        } else if (which == 1) {
            text.resize(at);
        } else if (which < 10) {
            text.replace(at, size, 1, static_cast<char>(draw(256)));
        } else if (which < 20) {
            text.insert(at, text.substr(draw(text.size() + 1), draw(40)));
        } else if (which < 30) {
            text.insert(at, word);
        } else if (which < 35) {
            text.erase(at, size);
        } else {  // the word that stands there
            constexpr std::string_view ends = " :\r\n";
            const std::size_t from = text.find_last_of(ends, at) + 1;
            const std::size_t to = std::min(text.find_first_of(ends, from), text.size());
            text.replace(from, to - from, word);
        }
    }

    std::mt19937 random_{20261122};
};

}  // namespace

TEST_CASE("what is mutated has one answer, however it is split") {
    mutations all;
    std::map<int, int> seen;
    for (int i = 0; i < 400; ++i) {
        const std::string text = all.next();
        INFO(text);
        const read_all once = read_in_pieces(
            text, [&] { return text.size(); }, "x");
        for (const read_one& each : once.requests) {
            ++seen[each.status];
            REQUIRE(is_kept(each));
        }
        // At every byte of what is short. The bytes that have not come end a head, if they are
        // read.
        for (std::size_t at = 1; at < text.size(); at += 1 + text.size() / 200) {
            std::size_t size = at;
            const auto next_size = [&] { return std::exchange(size, text.size()); };
            if (!equal(once, read_in_pieces(text, next_size, "\r\n\r\n"))) {
                FAIL("split at " << at);
            }
        }
        const auto some = [&] { return 1 + all.draw(9); };
        CHECK(equal(once, read_in_pieces(
                              text, [] { return std::size_t{1}; }, "\n:9")));
        CHECK(equal(once, read_in_pieces(text, some, "\r\nX: 1\r\n\r\n")));
    }
    for (const int status : statuses) {
        INFO(status);
        CHECK(seen[status] > 0);
    }
}

TEST_CASE("a head that is cut anywhere is refused, and nothing is read beyond it") {
    mutations all;
    for (int i = 0; i < 400; ++i) {
        const std::string text = all.next();
        INFO(text);
        for (std::size_t size = 0; size < std::min<std::size_t>(text.size(), 400); ++size) {
            // Of its own size, for AddressSanitizer.
            const std::vector<char> head(text.begin(), text.begin() + static_cast<long>(size));
            http::request asked;
            const int status = http::parse_head({head.data(), head.size()}, asked);
            if (!is_kept({status, asked})) FAIL("cut at " << size << ": " << status);
            const std::string_view seen(head.data(), head.size());
            const bool ends = seen.find("\n\r\n") != seen.npos;
            if (status == 0 && !ends) FAIL("cut at " << size << ": taken");
        }
    }
}
