// SPDX-License-Identifier: BSL-1.0
#include "request.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace http {
namespace {

constexpr int bad_request = 400;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// RFC 9110 §5.6.2
bool is_token(std::string_view text) {
    constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::ranges::all_of(text, [&](char c) {
        return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') ||
               marks.find(c) != std::string_view::npos;
    });
}

bool same(std::string_view one, std::string_view other) {
    return std::ranges::equal(one, other, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

// What stands before `mark`, which is taken away with it; all of it where there is no mark.
std::string_view cut(std::string_view& text, char mark) {
    const std::size_t at = text.find(mark);
    const std::string_view front = text.substr(0, at);
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
    return front;
}

int hex(char c) {
    if (is_digit(c)) return c - '0';
    return lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

// RFC 3986 §2.1. A slash that was encoded, a NUL or another control character names no file.
std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            const int high = i + 1 < text.size() ? hex(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex(text[i + 2]) : -1;
            if (high < 0 || low < 0) return std::nullopt;
            c = static_cast<char>(high * 16 + low);
            if (c == '/' || (c >= 0 && c < ' ') || c == '\x7f') return std::nullopt;
            i += 2;
        }
        out += c;
    }
    return out;
}

int parse_target(std::string_view target, request& into) {
    if (target.size() > longest_target) return 414;
    if (!std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f' && c != '#'; })) {
        return bad_request;
    }
    constexpr std::string_view scheme = "http://";
    if (same(target.substr(0, scheme.size()), scheme)) {  // absolute-form, RFC 9112 §3.2.2
        target.remove_prefix(scheme.size());
        const std::size_t path = target.find_first_of("/?");
        if (path == 0 || target.empty()) return bad_request;
        target.remove_prefix(std::min(path, target.size()));
        if (target.empty() || target.front() == '?') target = "/";
    }
    if (target.empty() || target.front() != '/') return bad_request;
    auto path = decoded(cut(target, '?'));
    if (!path) return bad_request;
    into.path = std::move(*path);
    return 0;
}

int parse_method(std::string_view word, request& into) {
    if (!is_token(word)) return bad_request;
    if (word == "GET" || word == "HEAD") {
        into.how = word == "GET" ? method::get : method::head;
        return 0;
    }
    constexpr std::string_view known[] = {"CONNECT", "DELETE", "OPTIONS", "PATCH",
                                          "POST",    "PUT",    "TRACE"};
    return std::ranges::find(known, word) != std::end(known) ? 405 : 501;
}

int parse_version(std::string_view word, request& into) {
    if (word.size() != 8 || !word.starts_with("HTTP/") || !is_digit(word[5]) || word[6] != '.' ||
        !is_digit(word[7])) {
        return bad_request;
    }
    into.keep_alive = word[7] != '0';
    return word[5] == '1' ? 0 : 505;
}

// What the fields say that matters here.
struct fields {
    int hosts = 0;
    std::optional<std::uint64_t> length;
    bool coded = false;
    bool close = false;
    bool keep_alive = false;

    int read(std::string_view line) {
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
            return bad_request;  // also a folded line, and a blank before the colon
        }
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (std::ranges::any_of(
                value, [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == '\x7f'; })) {
            return bad_request;
        }
        if (same(name, "host")) ++hosts;
        if (same(name, "transfer-encoding")) coded = true;
        if (same(name, "connection")) read_connection(value);
        return same(name, "content-length") ? read_length(value) : 0;
    }

private:
    void read_connection(std::string_view value) {
        while (!value.empty()) {
            const std::string_view word = trimmed(cut(value, ','));
            close = close || same(word, "close");
            keep_alive = keep_alive || same(word, "keep-alive");
        }
    }
    int read_length(std::string_view value) {
        if (value.empty() || !std::ranges::all_of(value, is_digit)) return bad_request;
        std::uint64_t number = 0;
        const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
        if (read.ec != std::errc()) return 413;
        if (length && *length != number) return bad_request;
        length = number;
        return 0;
    }
};

// Lines that do not end with CR LF are malformed.
bool next_line(std::string_view& text, std::string_view& line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos || end == 0 || text[end - 1] != '\r') return false;
    line = text.substr(0, end - 1);
    text.remove_prefix(end + 1);
    return line.find('\r') == std::string_view::npos;
}

}  // namespace

int parse_head(std::string_view head, request& into) {
    std::string_view line;
    if (!next_line(head, line)) return bad_request;
    const std::string_view verb = cut(line, ' ');
    const std::string_view target = cut(line, ' ');
    const int method_status = parse_method(verb, into);
    const int version_status = parse_version(line, into);
    if (method_status == bad_request || version_status != 0) {
        return version_status != 0 ? version_status : method_status;
    }
    fields all;
    for (;;) {
        if (!next_line(head, line)) return bad_request;
        if (line.empty()) break;
        if (const int status = all.read(line); status != 0) return status;
    }
    // RFC 9112 §3.2 and §6.3: what two servers could read in two ways is refused.
    const bool old = !into.keep_alive;
    if (all.hosts > 1 || (all.hosts == 0 && !old) || (all.coded && all.length)) {
        return bad_request;
    }
    if (method_status != 0) return method_status;
    if (all.coded) return 501;
    into.keep_alive = !all.close && (!old || all.keep_alive);
    into.body = all.length.value_or(0);
    if (into.body > longest_body) return 413;
    return parse_target(target, into);
}

std::size_t request_reader::head_end() {
    const std::string_view text = unread();
    for (; scanned_ < text.size(); ++scanned_) {
        if (text[scanned_] != '\n') continue;
        const std::string_view rest = text.substr(scanned_ + 1, 2);
        if (rest == "\r\n") return scanned_ + 3;
        if (rest.starts_with('\n')) return scanned_ + 2;  // malformed, and complete
        if (rest.empty() || rest == "\r") return 0;       // it may be the one
    }
    return 0;
}

request_reader::step request_reader::refuse(int status) {
    status_ = status;
    return step::refused;
}

request_reader::step request_reader::next() {
    if (status_ != 0) return step::refused;
    const auto dropped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, end_ - begin_));
    begin_ += dropped;
    skip_ -= dropped;
    if (skip_ != 0) return step::more;
    while (scanned_ == 0 && unread().starts_with("\r\n")) begin_ += 2;  // RFC 9112 §2.2
    if (scanned_ == 0 && unread() == "\r") return step::more;
    const std::size_t size = head_end();
    if (size == 0) {
        if (unread().size() < longest_head) return step::more;
        return refuse(unread().find('\n') == std::string_view::npos ? 414 : 431);
    }
    request_ = {};
    const int status = parse_head(unread().substr(0, size), request_);
    if (status != 0) return refuse(status);
    begin_ += size;
    scanned_ = 0;
    skip_ = request_.body;
    return step::request;
}

std::span<std::byte> request_reader::space() {
    if (begin_ != 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    return std::as_writable_bytes(std::span(buffer_).subspan(end_));
}

}  // namespace http
