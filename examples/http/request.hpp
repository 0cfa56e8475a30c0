// SPDX-License-Identifier: BSL-1.0
// What a client asks for: heads of HTTP/1.1 (RFC 9112), from bytes that come in any pieces. Knows
// nothing of sockets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace http {

enum class method : std::uint8_t { get, head };

struct request {
    method how = method::get;
    std::string path;  // decoded, without the query; begins with '/', has no control character
    std::uint64_t body = 0;  // how many bytes follow the head
    bool keep_alive = true;
};

inline constexpr std::size_t longest_head = 8192;
inline constexpr std::size_t longest_target = 2048;
inline constexpr std::uint64_t longest_body = 65536;

// Reads one head, its empty line included. 0, or the status that refuses it: 400 for what is
// malformed, 405 and 501 for methods, 413 and 414 for what is too long, 505 for versions.
[[nodiscard]] int parse_head(std::string_view head, request& into);

// One connection's requests, in their order. Bodies are read and dropped.
class request_reader {
public:
    enum class step : std::uint8_t {
        more,     // read into space(), and say how much came
        request,  // get() is the next one
        refused,  // answer with status(), and close: what follows cannot be told apart
    };

    [[nodiscard]] step next();
    [[nodiscard]] std::span<std::byte> space();
    void took(std::size_t count) { end_ += count; }
    [[nodiscard]] const request& get() const { return request_; }
    [[nodiscard]] int status() const { return status_; }
    // Some of a request has come, and not all.
    [[nodiscard]] bool begun() const { return end_ != begin_ || skip_ != 0; }

private:
    [[nodiscard]] std::string_view unread() const {
        return {buffer_.data() + begin_, end_ - begin_};
    }
    // Where the head's empty line ends; 0 where it has not come.
    [[nodiscard]] std::size_t head_end();
    [[nodiscard]] step refuse(int status);

    std::array<char, longest_head> buffer_;
    std::size_t begin_ = 0;    // of what was not parsed
    std::size_t end_ = 0;      // of what was received
    std::size_t scanned_ = 0;  // how far head_end() has looked, from begin_
    std::uint64_t skip_ = 0;   // bytes of a body
    request request_;
    int status_ = 0;
};

}  // namespace http
