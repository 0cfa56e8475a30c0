// SPDX-License-Identifier: BSL-1.0
// What the http example answers, without a socket.
#include "http/site.hpp"
#include "support/test.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

void write(const fs::path& file, std::string_view text) {
    std::ofstream(file, std::ios::binary) << text;
}

// root/ with some files, and a secret beside it.
struct place {
    place()
        : all(fs::temp_directory_path() /
              ("thole-site-" +
               std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()))) {
        fs::create_directories(all / "root" / "folder");
        fs::create_directories(all / "root" / "index");
        fs::create_directories(all / "root-too");
        write(all / "secret.txt", "secret");
        write(all / "root-too" / "secret.txt", "secret");
        write(all / "root" / "a.txt", "hello");
        write(all / "root" / "empty", "");
        write(all / "root" / "B.HTML", "<p>");
        write(all / "root" / "index" / "index.html", "index");
        write(all / "root" / "large", std::string(100'000, 'x'));
    }
    place(const place&) = delete;
    place& operator=(const place&) = delete;
    ~place() {
        std::error_code ignored;
        fs::remove_all(all, ignored);
    }
    fs::path all;
};

struct given {
    int status;
    std::string head;
    std::string body;
};

given ask(http::site& from, std::string path, http::method how = http::method::get,
          std::size_t piece = 4096) {
    http::request asked;
    asked.path = std::move(path);
    asked.how = how;
    http::answer reply = from.reply(asked);
    std::string text;
    std::vector<std::byte> buffer(piece);
    while (const std::size_t n = reply.fill(buffer)) {
        text.append(reinterpret_cast<const char*>(buffer.data()), n);
    }
    CHECK_FALSE(reply.broken());
    const std::size_t end = text.find("\r\n\r\n");
    REQUIRE(end != std::string::npos);
    return {reply.status(), text.substr(0, end + 2), text.substr(end + 4)};
}

bool has(const given& reply, std::string_view line) {
    return reply.head.find("\r\n" + std::string(line) + "\r\n") != std::string::npos;
}

}  // namespace

TEST_CASE("files, byte for byte, in buffers of any size") {
    const place in;
    http::site from(in.all / "root");
    for (const std::size_t piece : {1U, 7U, 200U, 65536U, 200'000U}) {
        const given small = ask(from, "/a.txt", http::method::get, piece);
        CHECK(small.status == 200);
        CHECK(small.head.starts_with("HTTP/1.1 200 OK\r\n"));
        CHECK(small.body == "hello");
        CHECK(has(small, "Content-Length: 5"));
        CHECK(has(small, "Content-Type: text/plain; charset=utf-8"));
        CHECK(has(small, "Connection: keep-alive"));
        CHECK(ask(from, "/large", http::method::get, piece).body == std::string(100'000, 'x'));
    }
    CHECK(ask(from, "/empty").body.empty());
    CHECK(has(ask(from, "/B.HTML"), "Content-Type: text/html; charset=utf-8"));
    CHECK(has(ask(from, "/large"), "Content-Type: application/octet-stream"));
    CHECK(ask(from, "//./index/.").body == "index");
    CHECK(ask(from, "/index/").body == "index");
}

TEST_CASE("HEAD is the same without the file") {
    const place in;
    http::site from(in.all / "root");
    const given head = ask(from, "/large", http::method::head);
    CHECK(head.body.empty());
    CHECK(has(head, "Content-Length: 100000"));
    const given none = ask(from, "/none", http::method::head);
    CHECK(none.status == 404);
    CHECK(none.body.empty());
    CHECK_FALSE(has(none, "Content-Length: 0"));
}

TEST_CASE("nothing outside of the root is given away") {
    const place in;
    http::site from(in.all / "root");
    CHECK(ask(from, "/../secret.txt").status == 403);
    CHECK(ask(from, "/folder/../../secret.txt").status == 403);
    CHECK(ask(from, "/../root-too/secret.txt").status == 403);
    CHECK(ask(from, "/..\\secret.txt").status == 404);
    CHECK(ask(from, "/folder\\..\\..\\secret.txt").status == 404);
    CHECK(ask(from, "/C:/Windows/win.ini").status == 404);
    CHECK(ask(from, "/a.txt::$DATA").status == 404);
    CHECK(ask(from, "//etc/passwd").status == 404);
    CHECK(ask(from, "/folder").status == 403);
    CHECK(ask(from, "/").status == 403);
    CHECK(ask(from, "/none").status == 404);
    CHECK(ask(from, "/a.txt/b").status == 404);
    CHECK(ask(from, "/\xff\xfe").status == 404);
    CHECK(ask(from, "/NUL").status != 200);
}

THOLE_TEST("a link out of the root", "") {
    const place in;
    std::error_code error;
    fs::create_symlink(in.all / "secret.txt", in.all / "root" / "file-link", error);
    if (error) thole::test::skip("this system makes no symbolic links: " + error.message());
    fs::create_directory_symlink(in.all / "root-too", in.all / "root" / "folder-link");
    fs::create_symlink(in.all / "root" / "a.txt", in.all / "root" / "inside-link");
    http::site from(in.all / "root");
    CHECK(ask(from, "/file-link").status == 403);
    CHECK(ask(from, "/folder-link/secret.txt").status == 403);
    CHECK(ask(from, "/inside-link").body == "hello");
}

TEST_CASE("a file that became shorter is told apart") {
    const place in;
    http::site from(in.all / "root");
    http::request asked;
    asked.path = "/large";
    http::answer reply = from.reply(asked);
    fs::resize_file(in.all / "root" / "large", 10);
    std::vector<std::byte> buffer(4096);
    while (reply.fill(buffer) != 0) {
    }
    CHECK(reply.broken());
}

TEST_CASE("a root that is no folder") {
    const place in;
    CHECK_THROWS_AS(http::site(in.all / "root" / "a.txt"), fs::filesystem_error);
    CHECK_THROWS_AS(http::site(in.all / "none"), fs::filesystem_error);
}
