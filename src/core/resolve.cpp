// SPDX-License-Identifier: BSL-1.0
#include <thole/resolve.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>
#include <utility>

#include "core/error_table.hpp"
#include "core/resolver.hpp"

namespace thole {

namespace {

std::error_code refused() noexcept {
    return {detail::raw_of(std::errc::invalid_argument), system_category()};
}

std::error_code out_of_memory() noexcept {
    return {detail::raw_of(std::errc::not_enough_memory), system_category()};
}

constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_hex_digit(char c) noexcept {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

bool equal_names(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

// The name `domain`, or one below it.
bool is_in(std::string_view name, std::string_view domain) noexcept {
    if (name.size() <= domain.size()) {
        return equal_names(name, domain);
    }
    const std::size_t dot = name.size() - domain.size() - 1;
    return name[dot] == '.' && equal_names(name.substr(dot + 1), domain);
}

// RFC 1123 §2.1: no name's last label is a number; the system would take it for an address in an
// old form, or ask a server for it.
bool ends_in_number(std::string_view name) noexcept {
    const std::string_view last = name.substr(name.rfind('.') + 1);
    if (last.starts_with("0x") || last.starts_with("0X")) {
        return std::all_of(last.begin() + 2, last.end(), is_hex_digit);
    }
    return std::all_of(last.begin(), last.end(), is_digit);
}

// An address without its port, brackets or name of a zone.
result<endpoint> parse_address(std::string_view host, std::uint16_t port) noexcept {
    char text[detail::lookup::longest_host + 8];
    const bool ipv6 = host.find(':') != std::string_view::npos;
    std::size_t length = 0;
    const auto add = [&](std::string_view piece) {
        length += piece.copy(text + length, sizeof text - length);
    };
    add(ipv6 ? "[" : "");
    add(host);
    add(ipv6 ? "]:0" : ":0");
    result<endpoint> where = endpoint::parse({text, length});
    return where ? result<endpoint>(where->with_port(port)) : where;
}

bool parse_port(std::string_view text, std::uint16_t& port) noexcept {
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
    return failed == std::errc{} && end == text.data() + text.size();
}

}  // namespace

// ---- What can be known without the system.

// Keeps what was asked with what the system must be asked; an empty host asks for the port alone.
std::error_code resolve_op::ask_for(std::string_view host, std::string_view service,
                                    std::uint16_t port) noexcept {
    asked_ = new (std::nothrow) detail::lookup;
    if (asked_ == nullptr) {
        return out_of_memory();
    }
    host.copy(asked_->host, host.size());
    service.copy(asked_->service, service.size());
    asked_->port = port;
    asked_->numeric = host.find(':') != std::string_view::npos;
    asked_->act = &detail::lookup::told;
    return {};
}

std::error_code resolve_op::read(std::string_view host, std::string_view service,
                                 std::uint16_t port) noexcept {
    // getaddrinfo would read up to a NUL, and resolve another name than the one that was checked.
    const auto bad = [](std::string_view text, std::size_t most) {
        return text.size() > most || text.find('\0') != std::string_view::npos;
    };
    const std::string_view name = host.substr(0, host.size() - (host.ends_with('.') ? 1 : 0));
    if (name.empty() || bad(name, detail::lookup::longest_host) ||
        bad(service, detail::lookup::longest_service)) {
        return refused();
    }
    bool known = true;
    if (const result<endpoint> address = parse_address(host, port)) {
        known = found_.reserve(1) && found_.push_back(*address);
    } else if (is_in(name, "localhost")) {  // RFC 6761 §6.3
        known = found_.reserve(2) &&
                found_.push_back(endpoint::loopback(address_family::ipv6, port)) &&
                found_.push_back(endpoint::loopback(address_family::ipv4, port));
    } else if (is_in(name, "invalid")) {  // §6.4
        return errc::name_not_found;
    } else if (host.find(':') != std::string_view::npos) {  // with the name of its zone?
        const std::size_t zone = std::min(host.find('%'), host.size());
        return parse_address(host.substr(0, zone), port) && zone + 1 < host.size()
                   ? ask_for(host, service, port)
                   : refused();
    } else {
        return ends_in_number(name) ? refused() : ask_for(host, service, port);
    }
    if (!known) {
        return out_of_memory();
    }
    return service.empty() ? std::error_code{} : ask_for({}, service, port);
}

void resolve_op::forget() noexcept {
    if (asked_ != nullptr) {
        std::exchange(asked_, nullptr)->release();
    }
    found_ = {};
}

resolve_op::~resolve_op() { forget(); }

void resolve_op::prepare(loop& on, std::string_view host, int port, deadline until) noexcept {
    reset(verb::resolve, on.core(), until);
    forget();
    failed_ =
        port < 0 || port > 65535 ? refused() : read(host, {}, static_cast<std::uint16_t>(port));
}

void resolve_op::prepare(loop& on, std::string_view host, std::string_view service,
                         deadline until) noexcept {
    reset(verb::resolve, on.core(), until);
    forget();
    std::uint16_t port = 0;
    if (parse_port(service, port)) {
        failed_ = read(host, {}, port);
    } else if (std::all_of(service.begin(), service.end(), is_digit)) {  // too great, or empty
        failed_ = refused();
    } else {
        failed_ = read(host, service, 0);
    }
}

// ---- Asking the system.

const detail::local_methods& resolve_op::served() noexcept {
    static constexpr detail::local_methods methods{.start = &begin, .cancel = &give_up};
    return methods;
}

resolve_op::resolve_op() noexcept : local_operation(served()) {}

bool resolve_op::begin(local_operation& op) {
    auto& self = static_cast<resolve_op&>(op);
    if (self.failed_) {
        settle_code(self, self.failed_);
        return true;
    }
    if (self.asked_ == nullptr) {
        return true;
    }
    detail::lookup& question = *self.asked_;
    if (self.core->info.kind == backend_kind::sim) {  // nothing of the real system is asked there
        settle_own(self, question.host[0] != '\0' ? errc::name_not_found : errc::service_not_found);
        return true;
    }
    question.core = self.core;
    question.waiting = &self;
    detail::resolver* threads = detail::resolver::of_process();
    if (threads == nullptr || !threads->ask(question)) {
        settle_error(self, detail::raw_of(std::errc::resource_unavailable_try_again));
        return true;
    }
    return false;
}

// R129: at once, whatever the thread does; but R101: an answer that is there is the result.
bool resolve_op::give_up(local_operation& op) {
    auto& self = static_cast<resolve_op&>(op);
    detail::lookup& question = *self.asked_;
    question.waiting = nullptr;
    if (!question.asked->abandon(question) || question.failed) {
        return true;
    }
    self.answered();
    return false;
}

void resolve_op::answered() noexcept {
    detail::lookup& question = *asked_;
    if (!question.failed && question.found.empty()) {
        question.failed = errc::name_not_found;  // of other families than ours
    }
    if (question.failed) {
        settle_code(*this, question.failed);
    } else if (question.host[0] != '\0') {
        found_ = std::move(question.found);
    } else {
        for (endpoint& each : found_) {
            each = each.with_port(question.found.front().port());
        }
    }
    core->finish_local(*this);
}

result<endpoint_list> resolve_op::take() noexcept {
    endpoint_list found = std::move(found_);
    forget();
    if (const std::error_code failed = outcome()) {
        return unexpected(failed);
    }
    return found;
}

namespace detail {

void lookup::told(runnable& self, turn /*how*/) {
    auto& question = static_cast<lookup&>(self);
    question.asked->settle();
    if (resolve_op* waiting = std::exchange(question.waiting, nullptr)) {
        waiting->answered();
    }
    question.release();
}

}  // namespace detail
}  // namespace thole
