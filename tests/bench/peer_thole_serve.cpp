// SPDX-License-Identifier: BSL-1.0
// serve port= kind=echo|once|sink|source chunk= exit_after= deadline_ms= graceful=
#include "peer_thole_serve.hpp"

namespace bench::with_thole {
namespace {

service_kind kind_of(const arguments& given) {
    const std::pair<const char*, service_kind> all[] = {{"echo", service_kind::echo},
                                                        {"once", service_kind::once},
                                                        {"sink", service_kind::sink},
                                                        {"source", service_kind::source}};
    for (const auto& [word, kind] : all) {
        if (given.text("kind", "echo") == word) {
            return kind;
        }
    }
    refuse("arguments", "kind=echo|once|sink|source");
}

}  // namespace

service::service(thole::loop& on, thole::tcp::listener at, const arguments& given, const setup& how)
    : loop(on), door(std::move(at)), kind(kind_of(given)), receive(given.number("receive", 0) != 0),
      graceful(given.number("graceful", how.hosted ? 1 : 0) != 0),
      chunk(static_cast<std::size_t>(given.number("chunk", 1024))), until(how.until),
      idle(std::chrono::milliseconds(given.number("deadline_ms", 60'000))),
      out(kind == service_kind::source ? chunk : 0, std::byte{'y'}),
      exit_after_(given.number("exit_after", 0)) {}

std::unique_ptr<std::byte[]> service::take() {
    if (spare_.empty()) {
        return std::unique_ptr<std::byte[]>(new std::byte[chunk]);
    }
    std::unique_ptr<std::byte[]> one = std::move(spare_.back());
    spare_.pop_back();
    return one;
}

void serve(const arguments& given, result& /*unused*/) {
    const setup how(given);
    thole::loop on(how.options);
    check(on);
    const auto port = static_cast<std::uint16_t>(given.number("port", 0));
    const auto where = thole::endpoint::any(thole::address_family::ipv4, port);
    auto door = value_of(thole::tcp::listener::open(on, where), "listen");
    announce(value_of(door.local(), "listen").port());
    service s(on, std::move(door), given, how);
    if (how.hosted) {
        serve_by_server(s);
    } else if (how.coroutines) {
        serve_by_coroutines(s);
    } else {
        serve_by_callbacks(s);
    }
}

}  // namespace bench::with_thole
