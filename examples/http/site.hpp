// SPDX-License-Identifier: BSL-1.0
// What is answered: files of one folder (RFC 9110). Knows nothing of sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "request.hpp"

namespace http {

// One answer: a head, and perhaps a file.
class answer {
public:
    // The next bytes of it, at the front of `into`; 0 when that was all. A small file goes with its
    // head, so that one write sends both.
    [[nodiscard]] std::size_t fill(std::span<std::byte> into);
    [[nodiscard]] int status() const { return status_; }
    // The connection is for another request after this one.
    [[nodiscard]] bool keep_alive() const { return keep_alive_; }
    // The file became shorter than the head has said: only a reset can tell the client.
    [[nodiscard]] bool broken() const { return broken_; }

private:
    friend class site;

    std::string head_;
    std::size_t told_ = 0;  // bytes of the head that fill() gave
    std::filebuf file_;
    std::uint64_t left_ = 0;  // bytes of the file
    int status_ = 0;
    bool keep_alive_ = false;
    bool broken_ = false;
};

class site {
public:
    // Throws std::filesystem::filesystem_error where `root` is no folder.
    explicit site(const std::filesystem::path& root);

    [[nodiscard]] const std::filesystem::path& root() const { return root_; }
    // The file, or 403 (outside of the root, no ordinary file, not readable) or 404. Without
    // `may_keep` the answer says that the connection will be closed.
    [[nodiscard]] answer reply(const request& asked, bool may_keep = true);
    // For what was no request.
    [[nodiscard]] answer refuse(int status);

private:
    // 0, or the status that refuses it.
    [[nodiscard]] int find(std::string_view path, std::filesystem::path& found) const;
    void write_head(answer& to, std::string_view type, std::uint64_t length);
    [[nodiscard]] answer plain(int status, bool keep_alive, bool with_text);

    std::filesystem::path root_;
    std::time_t dated_ = 0;
    std::string date_;
};

}  // namespace http
