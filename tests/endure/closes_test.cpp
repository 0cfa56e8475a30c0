// SPDX-License-Identifier: BSL-1.0
#include "crowd.hpp"

#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

using namespace thole;
using namespace thole::test;

namespace {

// Under Wine each takes some twenty calls of its one server process.
std::size_t how_many_closes() { return on_iocp() ? 300 : 1'000; }
constexpr std::size_t side_by_side = 100;
constexpr std::size_t told = 64 * 1024;    // bytes of one answer
constexpr std::size_t upload = 48 * 1024;  // bytes that a server never reads
constexpr std::size_t seed_size = 8;

// FNV-1a, of what cannot be mistaken for another connection's bytes.
class checksum {
public:
    void add(std::string_view bytes) {
        for (const char byte : bytes) {
            value_ = (value_ ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
        }
    }
    friend bool operator==(const checksum&, const checksum&) = default;

private:
    std::uint64_t value_ = 0xcbf29ce484222325U;
};

// The seed itself, and what xorshift64 makes of it.
std::string answer_of(std::uint64_t seed) {
    std::string text(told, '\0');
    for (std::size_t i = 0; i < text.size(); i += seed_size) {
        std::memcpy(text.data() + i, &seed, seed_size);
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
    }
    return text;
}

struct reader {
    raw::socket from;
    checksum got;
    std::uint64_t seed = 0;
    bool ended = false;

    // A little of what is there. False: it came to an end that is none.
    bool read_on() {
        const raw::reception some = from.receive(4096);
        if (some.how == raw::ending::end_of_stream) {
            ended = true;
            checksum wanted;
            wanted.add(answer_of(seed));
            return got == wanted;
        }
        if (seed == 0 && some.bytes.size() >= seed_size) {
            std::memcpy(&seed, some.bytes.data(), seed_size);
        }
        got.add(some.bytes);
        return some.how == raw::ending::bytes;
    }
};

// Each reads 4 KiB, then all the others do. Every other one uploads what nobody wants.
int read_slowly(const endpoint& where, std::size_t count) {
    int lost = 0;
    while (count != 0) {
        std::vector<reader> all(std::min(count, side_by_side));
        count -= all.size();
        for (std::size_t i = 0; i < all.size(); ++i) {
            all[i].from = raw::socket::connect(where);
            if (i % 2 == 0) all[i].from.send(std::string(upload, 'u'));
        }
        while (!all.empty()) {
            for (reader& each : all) {
                const bool fine = each.read_on();
                if (!fine) {
                    ++lost;
                    each.ended = true;
                }
            }
            std::erase_if(all, [](const reader& each) { return each.ended; });  // and closes it
            std::this_thread::sleep_for(1ms);
        }
    }
    return std::min(lost, 100);
}

struct tally {
    std::size_t closed = 0;
    std::size_t otherwise = 0;
    std::size_t unsent = 0;
    std::size_t discarded = 0;
};

task<> answer(tcp::socket client, std::uint64_t seed, tally& of) {
    const std::string text = answer_of(seed);
    const transfer sent = co_await client.write(bytes_of(text), within(30s));
    if (!sent) ++of.otherwise;
    const tcp::close_report end = co_await client.close_gracefully(within(30s));
    ++of.closed;
    of.otherwise += end.ended_by != tcp::close_end::peer_closed;
    of.unsent += end.unsent;
    of.discarded += end.discarded;
}

task<> accept_all(loop& on, tcp::listener& door, tally& of) {
    std::uint64_t seed = 1;
    while (auto client = co_await door.accept()) {
        on.spawn(answer(std::move(*client), ++seed, of));
    }
}

}  // namespace

THOLE_TEST("CL10 CL11 R46 graceful closes against slow readers lose nothing", "[endure]") {
    const std::size_t count = how_many_closes();
    scene in;
    tcp::listener door = open_door(in.on);
    const endpoint where = *door.local();
    tally of;
    {
        crowd slow(
            in.on, [where, count] { return read_slowly(where, count); }, [&door] { door.close(); });
        in.on.spawn(accept_all(in.on, door, of));
        settle(in.on);
        CHECK(slow.code() == 0);
    }
    CHECK(of.closed == count);
    CHECK(of.otherwise == 0);
    CHECK(of.unsent == 0);
    CHECK(of.discarded == count / 2 * upload);
    CHECK(in_state(close_wait, where.port()) == 0);
}
