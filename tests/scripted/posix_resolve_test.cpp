// SPDX-License-Identifier: BSL-1.0
// getaddrinfo, as it could answer.
#include "resolve_rig.hpp"

#include <cstring>
#include <optional>

#include "posix/address.hpp"

namespace thole::test {

const std::string_view look_up_call = "getaddrinfo";
const std::string_view release_call = "freeaddrinfo";
const std::intptr_t no_such_name = EAI_NONAME;

std::string host_of(const script::call& asked) {
    return reinterpret_cast<const char*>(asked.value.data());
}

std::string service_of(const script::call& asked) {
    return reinterpret_cast<const char*>(asked.value.data()) + host_of(asked).size() + 1;
}

namespace {

struct entry {
    addrinfo info{};
    detail::native_address name;
};

}  // namespace

std::intptr_t give(script::call& asked, std::span<const endpoint> found) {
    addrinfo** next = static_cast<addrinfo**>(asked.out);
    for (const endpoint& each : found) {
        auto* one = new entry;
        one->name = detail::to_native(each);
        if (!each) {
            one->name.any.sa_family = AF_UNIX;  // of no use to us
            one->name.length = sizeof(sockaddr);
        }
        one->info.ai_family = one->name.any.sa_family;
        one->info.ai_addr = &one->name.any;
        one->info.ai_addrlen = one->name.length;
        *next = &one->info;
        next = &one->info.ai_next;
    }
    return 0;
}

std::intptr_t take_back(script::call& asked) {
    for (auto* each = static_cast<addrinfo*>(asked.out); each != nullptr;) {
        addrinfo* following = each->ai_next;
        delete reinterpret_cast<entry*>(each);  // its first member
        each = following;
    }
    return 0;
}

std::span<const backend_kind> kinds_here() {
    static constexpr backend_kind kinds[] = {backend_kind::epoll, backend_kind::select};
    return kinds;
}

}  // namespace thole::test

namespace {

using namespace thole;
using namespace thole::test;

THOLE_TEST("NL07: each answer of getaddrinfo has its meaning", "[scripted][resolve]") {
    struct row {
        int said;
        int number;
        std::error_code meaning;
    };
    const auto system = [](int code) { return std::error_code(code, system_category()); };
    const row rows[] = {
        {EAI_NONAME, 0, errc::name_not_found},     {EAI_NODATA, 0, errc::name_not_found},
        {EAI_ADDRFAMILY, 0, errc::name_not_found}, {EAI_AGAIN, 0, errc::name_lookup_unavailable},
        {EAI_FAIL, 0, errc::name_lookup_failed},   {EAI_FAMILY, 0, errc::name_lookup_failed},
        {EAI_SERVICE, 0, errc::service_not_found}, {EAI_MEMORY, 0, system(ENOMEM)},
        {EAI_SYSTEM, EMFILE, system(EMFILE)},      {EAI_SYSTEM, ECONNREFUSED, system(ECONNREFUSED)},
        {EAI_SYSTEM, 0, errc::name_lookup_failed}, {-4711, 0, errc::name_lookup_failed}};
    for (const row& each : rows) {
        CAPTURE(each.said, each.number);
        rig r(backend_kind::epoll);
        script::on("getaddrinfo").gives(each.said, each.number);
        const auto got = r.on.block_on(look_up(r.on, "a.example", 80));
        CHECK(got.error() == each.meaning);
        CHECK(script::count("freeaddrinfo") == 0);
        await_idle_resolver();
    }
}

THOLE_TEST("what getaddrinfo is asked", "[scripted][resolve]") {
    rig r(backend_kind::epoll);
    names known;
    static_cast<void>(r.on.block_on(look_up(r.on,
                                            "B\xc3\xbc"
                                            "cher.Example.",
                                            80)));
    CHECK(host_of(script::calls("getaddrinfo").back()) == "B\xc3\xbc"
                                                          "cher.Example.");
    CHECK(service_of(script::calls("getaddrinfo").back()).empty());
    CHECK(script::calls("getaddrinfo").back().option == 0);
    static_cast<void>(r.on.block_on(look_up(r.on, "fe80::1%zone", 80)));
    CHECK(host_of(script::calls("getaddrinfo").back()) == "fe80::1%zone");
    CHECK(script::calls("getaddrinfo").back().option == AI_NUMERICHOST);  // no server is asked
    CHECK(script::count("getaddrinfo") == 2);
}

struct inherited {
    std::optional<loop> on{std::in_place, loop_options{.backend = backend_kind::epoll}};
    std::vector<resolved> ends;
    resolving op{noted_names{&ends}};
};

int in_child(void* context) {
    auto& parents = *static_cast<inherited*>(context);
    parents.op.cancel();
    parents.on.reset();
    loop own({.backend = backend_kind::epoll});
    const auto got = own.block_on(look_up(own, "good.example", 80));
    return got && got->size() == 1 && parents.ends.empty() ? 0 : 1;
}

// The parent's threads are not in the child; nothing of them is waited for, and it has its own.
THOLE_TEST("R78: a forked child ends the parent's loop and asks for itself",
           "[scripted][resolve]") {
    rig r(backend_kind::epoll);
    names known;
    inherited parents;
    parents.op.start(*parents.on, "stuck.example", 80);
    known.stuck.await(1);
    CHECK(raw::in_forked_child(&in_child, &parents) == 0);
    parents.op.cancel();
    REQUIRE(parents.on->run());
    REQUIRE(parents.ends.size() == 1);
    CHECK(parents.ends[0].error == errc::cancelled);
}

}  // namespace
