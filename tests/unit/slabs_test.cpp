// SPDX-License-Identifier: BSL-1.0
// Memory for what is posted.
#include "support/test.hpp"

#include <array>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "core/slabs.hpp"
#include "support/allocations.hpp"

namespace {

using thole::detail::slab;
using thole::detail::slabs;
using thole::detail::this_thread;
using thole::test::allocations;

// So often a thread asks in vain before it has a place.
constexpr int in_vain = 64;

void ask_in_vain(slabs& from) {
    for (int i = 0; i < in_vain; ++i) {
        REQUIRE(from.take(32, this_thread()).memory == nullptr);
    }
}

// Pieces that are filled when they are taken, and looked at when they end.
class pieces {
public:
    explicit pieces(slabs& from) : from_(from) {}
    void add(const slabs::piece& taken, std::size_t size) {
        REQUIRE(taken.memory != nullptr);
        CHECK(reinterpret_cast<std::uintptr_t>(taken.memory) % 16 == 0);
        std::memset(taken.memory, ++mark_, size);
        all_[(first_ + count_++) % all_.size()] = {taken, size, mark_};
    }
    void end_first() {
        const auto [piece, size, mark] = all_[first_++ % all_.size()];
        --count_;
        const auto* bytes = static_cast<const unsigned char*>(piece.memory);
        bool whole = true;
        for (std::size_t i = 0; i < size; ++i) {
            whole = whole && bytes[i] == mark;
        }
        CHECK(whole);
        from_.ended(*piece.from);
    }
    [[nodiscard]] std::size_t count() const { return count_; }

private:
    struct one {
        slabs::piece piece;
        std::size_t size;
        unsigned char mark;
    };
    slabs& from_;
    std::array<one, 512> all_{};
    std::size_t first_ = 0;
    std::size_t count_ = 0;
    unsigned char mark_ = 0;
};

THOLE_TEST("pieces of all sizes, of two threads, none over another; slabs go round", "[slabs]") {
    slabs from;
    pieces all(from);
    std::thread([&] {
        ask_in_vain(from);
        const thole::detail::thread_mark outside = this_thread();
        std::size_t before = 0;
        for (int i = 0; i < 20'000; ++i) {
            const std::size_t size = 16 * (1 + static_cast<std::size_t>(i) % 32);
            all.add(i % 3 == 0 ? from.take(size) : from.take(size, outside), size);
            if (all.count() > 300) {
                all.end_first();
            }
            if (i == 2000) {
                before = allocations();
            }
        }
        CHECK(allocations() == before);
    }).join();
    while (all.count() > 0) {
        all.end_first();
    }
}

THOLE_TEST("a slab is used again when all of it has ended, and not before", "[slabs]") {
    slabs from;
    const slabs::piece first = from.take(512);
    REQUIRE(first.memory != nullptr);
    slabs::piece last = first;
    int on_first = 1;
    while ((last = from.take(512)).from == first.from) {
        ++on_first;
    }
    CHECK(on_first == static_cast<int>((slab::size - 64) / 512));
    for (int i = 0; i < on_first - 1; ++i) {
        from.ended(*first.from);
    }
    slab* const second = last.from;
    int on_second = 1;
    while ((last = from.take(512)).from == second) {
        ++on_second;
    }
    CHECK(last.from != first.from);  // one piece of it lives
    from.ended(*first.from);
    for (int i = 0; i < on_second; ++i) {
        from.ended(*second);  // also tells that the first one's have ended
    }
    slab* const third = last.from;
    int on_third = 1;
    while ((last = from.take(512)).from == third) {
        ++on_third;
    }
    CHECK(last.from == first.from);
    CHECK(last.memory == first.memory);
    for (int i = 0; i < on_third; ++i) {
        from.ended(*third);
    }
}

THOLE_TEST("a piece that is given back ends, and a great one finds nothing", "[slabs]") {
    slabs from;
    for (int round = 0; round < 100; ++round) {
        const std::size_t before = allocations();
        for (std::size_t i = 0; i < slab::size / 512; ++i) {
            const slabs::piece taken = from.take(512);
            REQUIRE(taken.memory != nullptr);
            from.given_back(*taken.from);
        }
        CHECK(allocations() - before <= (round == 0 ? 2 : 0));
    }
    slabs fresh;
    CHECK(fresh.take(slabs::greatest + 16).memory == nullptr);
}

THOLE_TEST("eight threads have a place, a ninth finds nothing", "[slabs][threads]") {
    slabs from;
    std::atomic<int> placed{0};
    std::atomic<int> asked{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 9; ++i) {
        threads.emplace_back([&] {
            for (int k = 0; k < in_vain; ++k) {
                static_cast<void>(from.take(32, this_thread()));
            }
            const slabs::piece taken = from.take(32, this_thread());
            placed += taken.memory != nullptr ? 1 : 0;
            asked += 1;
            while (asked.load() < 9) {  // all live at a time
                std::this_thread::yield();
            }
        });
    }
    for (std::thread& one : threads) {
        one.join();
    }
    CHECK(placed == 8);
}

}  // namespace
