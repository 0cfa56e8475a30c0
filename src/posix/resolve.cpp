// SPDX-License-Identifier: BSL-1.0
#include "core/resolver.hpp"
#include "posix/address.hpp"
#include "posix/handle.hpp"

namespace thole::detail {
namespace {

// getaddrinfo(3). What a name server or a file said is told apart from what this machine lacks.
std::error_code code_of(int said) noexcept {
    switch (said) {
    case EAI_NONAME:
#if defined(EAI_NODATA)
    case EAI_NODATA:
#endif
#if defined(EAI_ADDRFAMILY)
    case EAI_ADDRFAMILY:
#endif
        return errc::name_not_found;
    case EAI_AGAIN:
        return errc::name_lookup_unavailable;
    case EAI_SERVICE:
        return errc::service_not_found;
    case EAI_MEMORY:
        return system_error(ENOMEM);
    case EAI_SYSTEM:
        return errno != 0 ? system_error(errno) : errc::name_lookup_failed;
    default:
        return errc::name_lookup_failed;
    }
}

}  // namespace

void look_up(lookup& question) noexcept {
    sigset_t all;
    sigfillset(&all);
    // The program's signals are for its own threads.
    static_cast<void>(sys::pthread_sigmask(SIG_BLOCK, &all, nullptr));

    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_protocol = IPPROTO_TCP;
    hints.ai_flags = question.numeric ? AI_NUMERICHOST : 0;
    addrinfo* list = nullptr;
    errno = 0;
    const int said =
        sys::getaddrinfo(question.host[0] != '\0' ? question.host : nullptr,
                         question.service[0] != '\0' ? question.service : nullptr, &hints, &list);
    if (said != 0) {
        question.failed = code_of(said);
        return;
    }
    std::size_t count = 0;
    for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
        ++count;
    }
    if (!question.found.reserve(count)) {
        question.failed = system_error(ENOMEM);
    }
    for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
        add_found(question, from_native(each->ai_addr, each->ai_addrlen));
    }
    sys::freeaddrinfo(list);
}

// R22. A program that is not a module of its own stays anyway.
void keep_loaded() noexcept {
    Dl_info module{};
    if (sys::dladdr(reinterpret_cast<const void*>(&keep_loaded), &module) != 0 &&
        module.dli_fname != nullptr) {
        static_cast<void>(sys::dlopen(module.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE));
    }
}

}  // namespace thole::detail
