// SPDX-License-Identifier: BSL-1.0
#include "site.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <ios>
#include <system_error>
#include <utility>

namespace http {
namespace {

namespace fs = std::filesystem;

std::string_view words(int status) {
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Error";
    }
}

std::string_view type_of(const fs::path& file) {
    static constexpr std::pair<std::string_view, std::string_view> types[] = {
        {".css", "text/css; charset=utf-8"},
        {".gif", "image/gif"},
        {".html", "text/html; charset=utf-8"},
        {".jpeg", "image/jpeg"},
        {".jpg", "image/jpeg"},
        {".js", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".md", "text/markdown; charset=utf-8"},
        {".pdf", "application/pdf"},
        {".png", "image/png"},
        {".svg", "image/svg+xml"},
        {".txt", "text/plain; charset=utf-8"},
        {".wasm", "application/wasm"},
        {".webp", "image/webp"},
        {".xml", "application/xml"},
    };
    std::string ending = file.extension().string();
    std::ranges::transform(ending, ending.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto* const found =
        std::ranges::find(types, ending, [](auto& each) { return each.first; });
    return found != std::end(types) ? found->second : "application/octet-stream";
}

bool is_within(const fs::path& root, const fs::path& file) {
    return std::ranges::mismatch(root, file).in1 == root.end();
}

}  // namespace

std::size_t answer::fill(std::span<std::byte> into) {
    const std::size_t front = std::min(head_.size() - told_, into.size());
    std::memcpy(into.data(), head_.data() + told_, front);
    told_ += front;
    const auto rest = static_cast<std::size_t>(std::min<std::uint64_t>(left_, into.size() - front));
    if (rest == 0) return front;
    const auto got = static_cast<std::size_t>(file_.sgetn(
        reinterpret_cast<char*>(into.data()) + front, static_cast<std::streamsize>(rest)));
    left_ -= got;
    if (got < rest) {
        broken_ = true;
        left_ = 0;
    }
    return front + got;
}

site::site(const fs::path& root) : root_(fs::canonical(root)) {
    if (!fs::is_directory(root_)) {
        throw fs::filesystem_error("no folder", root_,
                                   std::make_error_code(std::errc::not_a_directory));
    }
}

int site::find(std::string_view path, fs::path& found) const {
    fs::path asked = root_;
    while (!path.empty()) {
        const std::string_view name = path.substr(0, path.find('/'));
        path.remove_prefix(std::min(name.size() + 1, path.size()));
        if (name == "..") return 403;
        // On Windows these would lead elsewhere; no file of a site has such a name.
        if (name.find_first_of("\\:") != std::string_view::npos) return 404;
        if (!name.empty() && name != ".") {
            asked /= fs::path(std::u8string(name.begin(), name.end()));
        }
    }
    std::error_code error;
    if (fs::is_directory(asked, error)) {
        if (!fs::exists(asked / "index.html", error)) return 403;
        asked /= "index.html";
    }
    found = fs::canonical(asked, error);
    if (error) return error == std::errc::permission_denied ? 403 : 404;
    // A link may lead out of the root; what is no ordinary file could block whoever opens it.
    return is_within(root_, found) && fs::is_regular_file(found, error) ? 0 : 403;
}

answer site::reply(const request& asked, bool may_keep) {
    fs::path file;
    answer made;
    int status = 404;
    std::uint64_t size = 0;
    try {
        status = find(asked.path, file);
        if (status == 0) size = fs::file_size(file);
    } catch (const fs::filesystem_error&) {  // a name that this system cannot spell
        status = 404;
    }
    if (status == 0) {
        made.file_.pubsetbuf(nullptr, 0);
        if (made.file_.open(file, std::ios::in | std::ios::binary) == nullptr) status = 403;
    }
    const bool keep_alive = asked.keep_alive && may_keep;
    if (status != 0) return plain(status, keep_alive, asked.how == method::get);
    made.status_ = 200;
    made.keep_alive_ = keep_alive;
    made.left_ = asked.how == method::get ? size : 0;
    write_head(made, type_of(file), size);
    return made;
}

answer site::refuse(int status) { return plain(status, false, true); }

answer site::plain(int status, bool keep_alive, bool with_text) {
    const std::string text = std::to_string(status) + ' ' + std::string(words(status)) + '\n';
    answer made;
    made.status_ = status;
    made.keep_alive_ = keep_alive;
    write_head(made, "text/plain; charset=utf-8", text.size());
    if (with_text) made.head_ += text;
    return made;
}

void site::write_head(answer& to, std::string_view type, std::uint64_t length) {
    if (const std::time_t now = std::time(nullptr); now != dated_) {
        char text[40];
        const std::size_t size =
            std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&now));
        date_.assign(text, size);
        dated_ = now;
    }
    to.head_ += "HTTP/1.1 ";
    to.head_ += std::to_string(to.status_);
    to.head_ += ' ';
    to.head_ += words(to.status_);
    to.head_ += "\r\nDate: ";
    to.head_ += date_;
    to.head_ += "\r\nContent-Type: ";
    to.head_ += type;
    to.head_ += "\r\nContent-Length: ";
    to.head_ += std::to_string(length);
    to.head_ += to.status_ == 405 ? "\r\nAllow: GET, HEAD" : "";
    to.head_ +=
        to.keep_alive_ ? "\r\nConnection: keep-alive\r\n\r\n" : "\r\nConnection: close\r\n\r\n";
}

}  // namespace http
