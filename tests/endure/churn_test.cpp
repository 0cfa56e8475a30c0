// SPDX-License-Identifier: BSL-1.0
// Another thread of the program opens and closes descriptors all the while, so that a listener that
// sheds finds none, and loses its reserve at times.
#include "crowd.hpp"

#include <atomic>
#include <cstdio>
#include <vector>

using namespace thole;
using namespace thole::test;

namespace {

constexpr std::size_t descriptors = 64;  // ulimit -n
constexpr auto window = 1s;
constexpr auto shortest_pause = 5ms;
constexpr std::size_t at_a_time = 12;
constexpr auto breath = 10ms;           // between them, or serving them would be what is measured
constexpr std::size_t afterwards = 20;  // who come when there is room again
constexpr std::string_view word = "hello";
constexpr std::size_t report_size = 12;  // two numbers
enum : int { fine, not_told, not_answered, left_waiting, too_late };

using steady = std::chrono::steady_clock;

// Takes every descriptor that there is, and for a while each one that comes free; then it gives all
// of them back, and begins again.
class thief {
public:
    thief() : thread_([this] { work(); }) {}
    thief(const thief&) = delete;
    thief& operator=(const thief&) = delete;
    ~thief() { end(); }
    void end() {
        ending_ = true;
        if (thread_.joinable()) thread_.join();
    }
    // What had come free while it had all the others.
    [[nodiscard]] std::size_t stolen() const { return stolen_; }

private:
    void work() {
        std::vector<std::FILE*> held;
        while (!ending_) {
            const auto until = steady::now() + 10ms;
            for (bool full = false; steady::now() < until;) {
                if (std::FILE* one = std::fopen("/dev/null", "re")) {
                    held.push_back(one);
                    stolen_ += full ? 1U : 0U;
                } else {
                    full = true;
                }
            }
            for (std::FILE* one : held) std::fclose(one);
            held.clear();
            std::this_thread::sleep_for(5ms);
        }
    }

    std::atomic<bool> ending_ = false;
    std::size_t stolen_ = 0;
    std::thread thread_;
};

// Processor time of the thread that has made this. Linux's figures; the file stays open, as there
// is no descriptor for it later.
class busy_time {
public:
    busy_time() : file_("/proc/thread-self/schedstat") { REQUIRE(file_.is_open()); }
    [[nodiscard]] std::chrono::nanoseconds now() {
        file_.clear();
        file_.seekg(0);
        std::int64_t nanoseconds = 0;
        file_ >> nanoseconds;
        REQUIRE(file_.good());
        return std::chrono::nanoseconds(nanoseconds);
    }

private:
    std::ifstream file_;
};

// ---- The clients. Each is answered, or reset at once; nobody waits for long.

struct ends {
    unsigned answered = 0;
    unsigned reset = 0;
    bool waiting = false;
};

void end_of(raw::socket& client, ends& all) {
    const raw::reception got = client.receive_all(word.size());
    if (got.bytes == word) {
        ++all.answered;
    } else if (got.how == raw::ending::reset) {
        ++all.reset;
    } else {
        all.waiting = true;
    }
}

void come(const endpoint& where, ends& all) {
    std::vector<raw::socket> wave;
    for (std::size_t i = 0; i < at_a_time; ++i) {
        wave.push_back(raw::socket::connect(where));
        try {
            wave.back().send(word);
        } catch (const std::runtime_error&) {  // reset already
            wave.pop_back();
            ++all.reset;
        }
    }
    for (raw::socket& client : wave) end_of(client, all);
}

int clients_of(const endpoint& where) {
    (void)raw::lift_handle_limit(2 * descriptors);  // the server's own may have been lowered
    raw::socket first = raw::socket::connect(where);
    first.send(word);
    ends all;
    const auto end = steady::now() + window;
    while (steady::now() < end) {
        come(where, all);
        std::this_thread::sleep_for(breath);
    }
    if (all.waiting) return left_waiting;
    if (first.receive_all(1).bytes != "g") return not_told;
    const auto begun = steady::now();
    for (std::size_t i = 0; i < afterwards; ++i) {
        raw::socket client = raw::socket::connect(where);
        client.send(word);
        if (client.receive_all(word.size()).bytes != word) return not_answered;
    }
    const bool in_time = steady::now() - begun < 1s;
    char report[report_size + 1];
    std::snprintf(report, sizeof report, "%6u%6u", all.answered, all.reset);
    first.send(report);
    return in_time ? fine : too_late;
}

// ---- The server.

struct service {
    loop& on;
    tcp::listener door;
    tcp::socket first{};  // who is told when the window is over, and tells what became of them
    unsigned answered = 0;
    unsigned reset = 0;
};

task<> echo(tcp::socket client) {
    std::byte buffer[64];
    while (auto n = co_await client.read(buffer, within(30s))) {
        const transfer sent = co_await client.write(std::span(buffer).first(*n), within(30s));
        if (!sent) co_return;
    }
}

task<> accept_all(service& of, event& begun) {
    while (auto client = co_await of.door.accept()) {
        if (!of.first.is_open()) {
            of.first = std::move(*client);
            begun.set();
        } else {
            of.on.spawn(echo(std::move(*client)));
        }
    }
}

task<> watch(service& of, event& begun) {
    busy_time busy;
    const auto known = co_await begun.wait(within(10s));
    REQUIRE(known.error() == no_error);
    const std::chrono::nanoseconds used_before = busy.now();
    const auto start = steady::now();
    thief other;
    const auto slept = co_await sleep_for(window);
    REQUIRE(slept.error() == no_error);
    other.end();
    const auto took = steady::now() - start;
    const auto used = busy.now() - used_before;
    const tcp::listener_counters seen = of.door.counters();
    CHECK(seen.pauses > 0);
    CHECK(seen.pauses <= static_cast<std::uint64_t>(took / shortest_pause) + 1);
    CHECK(used < took / 20);  // 5 %
    std::printf("%.2f %% of a processor, %llu pauses, %llu shed, %zu descriptors stolen\n",
                100.0 * static_cast<double>(used.count()) /
                    static_cast<double>(std::chrono::nanoseconds(took).count()),
                static_cast<unsigned long long>(seen.pauses),
                static_cast<unsigned long long>(seen.shed), other.stolen());

    std::string report(report_size, ' ');
    const transfer told = co_await of.first.write(bytes_of("g"), within(10s));
    const transfer heard = co_await of.first.read_exactly(
        std::as_writable_bytes(std::span(report)).subspan(0, 5), within(10s));  // its own word
    const transfer came =
        co_await of.first.read_exactly(std::as_writable_bytes(std::span(report)), within(20s));
    REQUIRE((told && heard && came));
    of.first.close();
    std::istringstream(report.substr(0, report_size / 2)) >> of.answered;
    std::istringstream(report.substr(report_size / 2)) >> of.reset;
}

}  // namespace

THOLE_TEST("R69 another thread takes the reserve: nothing hangs or spins, nobody is lost",
           "[endure]") {
    if (raw::is_windows()) skip("no limit of handles there, and no reserve: R39 in the scripts");
    scene in;
    service of{in.on, open_door(in.on, address_family::ipv4,
                                {.when_exhausted = tcp::exhaustion_policy::shed})};
    const endpoint where = *of.door.local();
    event begun;
    tcp::listener_counters at_end{};
    {
        crowd many(
            in.on, [where] { return clients_of(where); },
            [&of, &at_end] {
                at_end = of.door.counters();
                of.door.close();
            });
        const std::size_t before = raw::limit_handles(descriptors);
        in.on.spawn(accept_all(of, begun));
        in.on.spawn(watch(of, begun));
        settle(in.on);
        (void)raw::limit_handles(before);
        CHECK(many.code() == fine);
    }
    CHECK(at_end.accepted == of.answered + afterwards + 1);
    CHECK(at_end.shed == of.reset);
    CHECK(at_end.absorbed == 0);
    CHECK(in_state(close_wait, where.port()) == 0);
}
