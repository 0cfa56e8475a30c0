// SPDX-License-Identifier: BSL-1.0
// GetAddrInfoW, as it could answer.
#include "resolve_rig.hpp"

#include <cstring>

#include "win/address.hpp"

namespace thole::test {

const std::string_view look_up_call = "GetAddrInfoW";
const std::string_view release_call = "FreeAddrInfoW";
const std::intptr_t no_such_name = WSAHOST_NOT_FOUND;

namespace {

// The text at a place of what was asked, which counts in UTF-16.
std::wstring wide_at(const script::call& asked, std::size_t from) {
    std::wstring text(asked.value.size() / sizeof(wchar_t), L'\0');
    std::memcpy(text.data(), asked.value.data(), text.size() * sizeof(wchar_t));
    return std::wstring(text.c_str() + from);
}

std::string narrow(const std::wstring& text) {
    std::string ascii;
    for (const wchar_t unit : text) {
        ascii += unit < 0x80 ? static_cast<char>(unit) : '?';
    }
    return ascii;
}

struct entry {
    ADDRINFOW info{};
    detail::native_address name{};
};

}  // namespace

std::string host_of(const script::call& asked) { return narrow(wide_at(asked, 0)); }

std::string service_of(const script::call& asked) {
    return narrow(wide_at(asked, wide_at(asked, 0).size() + 1));
}

std::intptr_t give(script::call& asked, std::span<const endpoint> found) {
    ADDRINFOW** next = static_cast<ADDRINFOW**>(asked.out);
    for (const endpoint& each : found) {
        auto* one = new entry;
        int length = detail::to_native(each, one->name);
        if (!each) {
            one->name.any.sa_family = AF_UNIX;  // of no use to us
            length = sizeof(sockaddr);
        }
        one->info.ai_family = one->name.any.sa_family;
        one->info.ai_addr = &one->name.any;
        one->info.ai_addrlen = static_cast<std::size_t>(length);
        *next = &one->info;
        next = &one->info.ai_next;
    }
    return 0;
}

std::intptr_t take_back(script::call& asked) {
    for (auto* each = static_cast<ADDRINFOW*>(asked.out); each != nullptr;) {
        ADDRINFOW* following = each->ai_next;
        delete reinterpret_cast<entry*>(each);  // its first member
        each = following;
    }
    return 0;
}

std::span<const backend_kind> kinds_here() {
    static constexpr backend_kind kinds[] = {backend_kind::iocp};
    return kinds;
}

}  // namespace thole::test

namespace {

using namespace thole;
using namespace thole::test;

THOLE_TEST("NL07: each answer of GetAddrInfoW has its meaning", "[scripted][resolve]") {
    struct row {
        int said;
        std::error_code meaning;
    };
    const auto system = [](int code) { return std::error_code(code, system_category()); };
    const row rows[] = {{WSAHOST_NOT_FOUND, errc::name_not_found},
                        {WSANO_DATA, errc::name_not_found},
                        {WSATRY_AGAIN, errc::name_lookup_unavailable},
                        {WSANO_RECOVERY, errc::name_lookup_failed},
                        {WSATYPE_NOT_FOUND, errc::service_not_found},
                        {WSA_NOT_ENOUGH_MEMORY, system(ERROR_NOT_ENOUGH_MEMORY)},
                        {WSAENETDOWN, system(WSAENETDOWN)}};
    for (const row& each : rows) {
        CAPTURE(each.said);
        rig r(backend_kind::iocp);
        script::on("GetAddrInfoW").gives(each.said);
        const auto got = r.on.block_on(look_up(r.on, "a.example", 80));
        CHECK(got.error() == each.meaning);
        CHECK(script::count("FreeAddrInfoW") == 0);
        await_idle_resolver();
    }
}

THOLE_TEST("what GetAddrInfoW is asked: UTF-16 of the UTF-8", "[scripted][resolve]") {
    rig r(backend_kind::iocp);
    names known;
    static_cast<void>(r.on.block_on(look_up(r.on, "b\xc3\xbc\x2e\xf0\x9f\x9a\xa3.example", 80)));
    CHECK(wide_at(script::calls("GetAddrInfoW").back(), 0) == L"b\u00fc.\U0001f6a3.example");
    CHECK(script::calls("GetAddrInfoW").back().option == 0);
    static_cast<void>(r.on.block_on(look_up(r.on, "fe80::1%zone", 80)));
    CHECK(script::calls("GetAddrInfoW").back().option == AI_NUMERICHOST);  // no server is asked
    const auto wrong = r.on.block_on(look_up(r.on, "b\xfc.example", 80));
    CHECK(wrong.error() == std::errc::invalid_argument);
    CHECK(script::count("GetAddrInfoW") == 2);
}

}  // namespace
