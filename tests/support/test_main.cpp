// SPDX-License-Identifier: BSL-1.0
// The one main of all Catch2 tests: the option --backend, a record of every test case, and a
// watchdog that names the case that hangs.
#define CATCH_CONFIG_RUNNER
#include "test.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>

namespace thole::test {
namespace {

using steady = std::chrono::steady_clock;

struct skipped {
    std::string reason;
};

std::string the_backend;
std::string skip_reason;
bool was_skipped = false;

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            out += ' ';
        } else {
            out += c;
        }
    }
    return out + '"';
}

// One JSON line when a case starts and one when it ends, flushed at once: a crash leaves a
// start without an end, and tools/record/totals.py counts that as a failure.
class recorder {
public:
    // $THOLE_RECORD is a folder; without it nothing is written.
    void open(const std::string& suite) {
        suite_ = suite;
        const char* folder = std::getenv("THOLE_RECORD");
        if (folder == nullptr || suite.empty()) return;
        std::string path = std::string(folder) + '/' + suite;
        if (!the_backend.empty()) path += '-' + the_backend;
        path += ".jsonl";
        file_.open(path, std::ios::app);
        if (!file_) std::fprintf(stderr, "cannot write the record %s\n", path.c_str());
    }

    void started(std::string_view name) { line(name, "started", "", 0); }

    void ended(std::string_view name, const char* result, std::string_view reason, double seconds) {
        line(name, result, reason, seconds);
    }

private:
    void line(std::string_view name, const char* result, std::string_view reason, double seconds) {
        if (!file_.is_open()) return;
        file_ << "{\"suite\":" << quoted(suite_) << ",\"backend\":" << quoted(the_backend)
              << ",\"case\":" << quoted(name) << ",\"result\":\"" << result
              << "\",\"reason\":" << quoted(reason) << ",\"seconds\":" << seconds << "}"
              << std::endl;
    }

    std::string suite_;
    std::ofstream file_;
};

recorder record;

// A mutex and a condition variable on purpose: with mingw's GCC 12 latches and atomic waits
// hang by themselves.
class watchdog {
public:
    void start(std::chrono::seconds limit) {
        limit_ = limit;
        thread_ = std::thread([this] { watch(); });
    }

    void stop() {
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_one();
        if (thread_.joinable()) thread_.join();
    }

    void begin(std::string name) {
        std::lock_guard lock(mutex_);
        name_ = std::move(name);
        since_ = steady::now();
    }

    void end() {
        std::lock_guard lock(mutex_);
        name_.clear();
    }

private:
    void watch() {
        std::unique_lock lock(mutex_);
        while (!stopping_) {
            changed_.wait_for(lock, std::chrono::milliseconds(500));
            if (!name_.empty() && steady::now() - since_ > limit_) kill_process();
        }
    }

    [[noreturn]] void kill_process() {
        auto seconds = static_cast<long>(limit_.count());
        std::fprintf(stderr, "\nWATCHDOG: \"%s\" (%s) has run for more than %ld s: killed\n",
                     name_.c_str(), the_backend.c_str(), seconds);
        std::fflush(nullptr);
        record.ended(name_, "failed", "hung: killed by the watchdog",
                     static_cast<double>(limit_.count()));
        std::_Exit(3);
    }

    std::chrono::seconds limit_{60};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string name_;
    steady::time_point since_;
    bool stopping_ = false;
    std::thread thread_;
};

watchdog dog;

class listener : public Catch::TestEventListenerBase {
public:
    using TestEventListenerBase::TestEventListenerBase;

    void testCaseStarting(const Catch::TestCaseInfo& info) override {
        TestEventListenerBase::testCaseStarting(info);
        was_skipped = false;
        skip_reason.clear();
        since_ = steady::now();
        record.started(info.name);
        dog.begin(info.name);
    }

    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        TestEventListenerBase::testCaseEnded(stats);
        dog.end();
        std::chrono::duration<double> took = steady::now() - since_;
        bool passed = stats.totals.assertions.allOk() && !stats.aborting;
        const std::string& name = stats.testInfo.name;
        if (passed && was_skipped) {
            std::printf("skipped: %s: %s\n", name.c_str(), skip_reason.c_str());
            record.ended(name, "skipped", skip_reason, took.count());
        } else {
            record.ended(name, passed ? "passed" : "failed", "", took.count());
        }
    }

private:
    steady::time_point since_;
};

CATCH_REGISTER_LISTENER(listener)

}  // namespace

std::string_view backend() { return the_backend; }

void skip(std::string reason) { throw skipped{std::move(reason)}; }

void run_body(void (*body)()) {
    try {
        if (what_forbids != nullptr) {
            if (std::string why = what_forbids(backend()); !why.empty()) {
                skip(std::move(why));
            }
        }
        body();
    } catch (const skipped& end) {
        was_skipped = true;
        skip_reason = end.reason;
    }
}

}  // namespace thole::test

int main(int count, char** words) {
    std::string suite;
    int limit = 60;
    Catch::Session session;
    session.cli(session.cli() |
                Catch::clara::Opt(thole::test::the_backend, "name")["--backend"](
                    "the backend this run is for: sim, epoll, io_uring, select, iocp") |
                Catch::clara::Opt(suite, "name")["--suite"](
                    "the name in the record, which goes to $THOLE_RECORD/NAME[-BACKEND].jsonl") |
                Catch::clara::Opt(limit, "seconds")["--limit"](
                    "how long one test case may last before the watchdog ends the process"));
    if (int error = session.applyCommandLine(count, words); error != 0) return error;
    thole::test::record.open(suite);
    thole::test::dog.start(std::chrono::seconds(limit));
    int failed = session.run();
    thole::test::dog.stop();
    return failed;
}
