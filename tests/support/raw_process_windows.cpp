// SPDX-License-Identifier: BSL-1.0
#include "support/raw_process.hpp"

#include <winsock2.h>
#include <windows.h>

#include <iterator>
#include <stdexcept>
#include <string>

namespace thole::test::raw {
namespace {

[[noreturn]] void refuse(const char* call) {
    throw std::runtime_error(std::string("raw process: ") + call + ": " +
                             std::to_string(::GetLastError()));
}

HANDLE handle_of(std::intptr_t process) { return reinterpret_cast<HANDLE>(process); }

}  // namespace

// This very program, of which not one instruction is run: to hold handles it need not live.
sleeping_child::sleeping_child() {
    wchar_t path[1024] = {};
    if (::GetModuleFileNameW(nullptr, path, static_cast<DWORD>(std::size(path))) == 0) {
        refuse("GetModuleFileNameW");
    }
    STARTUPINFOW how{};
    how.cb = sizeof how;
    PROCESS_INFORMATION made{};
    if (!::CreateProcessW(path, nullptr, nullptr, nullptr, TRUE, CREATE_SUSPENDED, nullptr, nullptr,
                          &how, &made)) {
        refuse("CreateProcessW");
    }
    ::CloseHandle(made.hThread);
    process_ = reinterpret_cast<std::intptr_t>(made.hProcess);
}

sleeping_child::~sleeping_child() {
    ::TerminateProcess(handle_of(process_), 0);
    ::WaitForSingleObject(handle_of(process_), INFINITE);
    ::CloseHandle(handle_of(process_));
}

void let_inherit(std::uintptr_t native) {
    if (!::SetHandleInformation(reinterpret_cast<HANDLE>(native), HANDLE_FLAG_INHERIT,
                                HANDLE_FLAG_INHERIT)) {
        refuse("SetHandleInformation");
    }
}

std::uintptr_t duplicate(std::uintptr_t) {
    throw std::runtime_error("raw process: no second descriptor");
}

void let_sigpipe_kill() { throw std::runtime_error("raw process: no signals"); }

bool enter_lonely_network(bool) noexcept { return false; }

}  // namespace thole::test::raw
