// SPDX-License-Identifier: BSL-1.0
#include "core/buffer_pool.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include <thole/thole.hpp>

#include "core/loop_core.hpp"
#include "support/allocations.hpp"
#include "support/test.hpp"

using namespace thole;
using namespace thole::test;
using detail::buffer_pool;

namespace {

using pool_ptr = std::unique_ptr<buffer_pool, detail::let_go>;

pool_ptr make_pool(std::size_t size, std::size_t count) {
    return pool_ptr(new buffer_pool(nullptr, size, count));
}

void give_all(buffer_pool& pool, std::vector<buffer_pool::place>& taken) {
    for (const buffer_pool::place& one : taken) {
        pool.give_back(one.bytes, one.number);
    }
    taken.clear();
}

}  // namespace

THOLE_TEST("buffers lie side by side in slabs that are aligned and taken when needed", "[unit]") {
    const pool_ptr pool = make_pool(4096, 40);
    CHECK(pool->size() == 4096);
    CHECK(pool->count() == 40);
    CHECK(pool->slabs() == 0);
    std::vector<buffer_pool::place> taken;
    for (std::uint32_t i = 0; i < 40; ++i) {
        const buffer_pool::place one = pool->take();
        REQUIRE(one.bytes != nullptr);
        CHECK(one.number == i);
        CHECK(pool->at(i) == one.bytes);
        CHECK(pool->slabs() == i / 16 + 1);
        CHECK(reinterpret_cast<std::uintptr_t>(one.bytes) % 4096 == 0);
        if (i % 16 == 0) {
            CHECK(reinterpret_cast<std::uintptr_t>(one.bytes) % buffer_pool::slab_size == 0);
        } else {
            CHECK(one.bytes == taken.back().bytes + 4096);
        }
        std::memset(one.bytes, static_cast<int>(i), 4096);
        taken.push_back(one);
    }
    CHECK(pool->take().bytes == nullptr);
    CHECK(pool->lent() == 40);
    for (const buffer_pool::place& one : taken) {
        CHECK(std::all_of(one.bytes, one.bytes + 4096,
                          [&](std::byte b) { return b == static_cast<std::byte>(one.number); }));
    }
    give_all(*pool, taken);
    CHECK(pool->lent() == 0);
}

THOLE_TEST("the buffer that came back last goes first, and each keeps its number", "[unit]") {
    const pool_ptr pool = make_pool(64, 2000);  // of more than one slab
    std::vector<buffer_pool::place> taken;
    for (int i = 0; i < 2000; ++i) {
        taken.push_back(pool->take());
    }
    const std::size_t slabs = pool->slabs();
    CHECK(slabs == 2);
    give_all(*pool, taken);
    std::set<std::byte*> seen;
    const std::size_t before = allocations();
    for (std::uint32_t i = 2000; i > 0; --i) {
        const buffer_pool::place one = pool->take();
        REQUIRE(one.number == i - 1);
        REQUIRE(pool->at(one.number) == one.bytes);
        taken.push_back(one);
    }
    CHECK(allocations() - before < 20);  // the vector's
    for (const buffer_pool::place& one : taken) {
        seen.insert(one.bytes);
    }
    CHECK(seen.size() == 2000);
    CHECK(pool->slabs() == slabs);
    give_all(*pool, taken);
}

THOLE_TEST("a slab may be one buffer, and a buffer the smallest", "[unit]") {
    for (const std::size_t size : {buffer_pool::smallest, buffer_pool::slab_size}) {
        const pool_ptr pool = make_pool(size, 3);
        std::vector<buffer_pool::place> taken;
        for (int i = 0; i < 3; ++i) {
            taken.push_back(pool->take());
            REQUIRE(taken.back().bytes != nullptr);
            std::memset(taken.back().bytes, i, size);
        }
        CHECK(pool->take().bytes == nullptr);
        CHECK(pool->slabs() == (size == buffer_pool::slab_size ? 3 : 1));
        give_all(*pool, taken);
        CHECK(pool->take().number == 2);
        pool->give_back(pool->at(2), 2);
    }
    CHECK(buffer_pool::takes_size(4096));
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{63}, std::size_t{65}, std::size_t{96}, std::size_t{131072}}) {
        CHECK_FALSE(buffer_pool::takes_size(size));
    }
    CHECK(buffer_pool::takes_count(1));
    CHECK(buffer_pool::takes_count(32768));
    CHECK_FALSE(buffer_pool::takes_count(0));
    CHECK_FALSE(buffer_pool::takes_count(32769));
}

THOLE_TEST("a buffer goes from the pool to the kernel, to a user, and back", "[unit]") {
    const pool_ptr pool = make_pool(64, 3);
    const buffer_pool::place first = pool->entrust();
    const buffer_pool::place second = pool->entrust();
    CHECK(pool->lent() == 0);  // of the kernel's nothing is lent
    CHECK(pool->take().number == 2);
    CHECK(pool->take().bytes == nullptr);
    CHECK(pool->lent() == 1);
    CHECK(pool->lend(second.number) == second.bytes);
    CHECK(pool->lent() == 2);
    pool->give_back(second.bytes, second.number);
    CHECK(pool->lent() == 1);
    CHECK(pool->entrust().number == second.number);
    CHECK(pool->entrust().bytes == nullptr);
    pool->take_back(first.number);
    CHECK(pool->take().number == first.number);
    pool->give_back(first.bytes, first.number);
    pool->give_back(pool->at(2), 2);
    CHECK(pool->lent() == 0);  // and the one that the kernel still has dies with the pool
}

THOLE_TEST("the pool outlives its owner for as long as a buffer is lent", "[unit]") {
    pool_ptr owner = make_pool(4096, 2);
    buffer_pool& pool = *owner;
    const buffer_pool::place first = pool.take();
    tcp::lent_buffer second;
    {
        const buffer_pool::place place = pool.take();
        tcp::lent_buffer lent(pool, place.bytes, 3, place.number);
        CHECK(lent.size() == 3);
        second = std::move(lent);
    }
    owner.reset();
    std::memset(first.bytes, 1, 4096);
    CHECK(second.bytes().data() == pool.at(1));
    pool.give_back(first.bytes, first.number);
    CHECK(pool.lent() == 1);
    second.bytes()[0] = std::byte{7};
    second.give_back();  // and with it the pool: the leak checker sees the rest
    CHECK(second.empty());
}

THOLE_TEST("a lent buffer that is moved to itself keeps its bytes", "[unit]") {
    const pool_ptr pool = make_pool(64, 1);
    const buffer_pool::place place = pool->take();
    tcp::lent_buffer lent(*pool, place.bytes, 3, place.number);
    tcp::lent_buffer& same = lent;
    lent = std::move(same);
    CHECK(lent.size() == 3);
    CHECK(lent.bytes().data() == place.bytes);
    CHECK(pool->lent() == 1);
    lent.give_back();
    CHECK(pool->lent() == 0);
}

THOLE_TEST("the line of the starved is in order, and may be left anywhere", "[unit]") {
    const pool_ptr pool = make_pool(64, 2);
    const buffer_pool::place held = pool->take();
    const buffer_pool::place other = pool->entrust();
    struct waiting : tcp::receive_op {};
    waiting ops[4];
    for (waiting& one : ops) {
        CHECK(pool->starve(one));
        CHECK(pool->starve(one));  // it stands there already
        CHECK(one.starved);
    }
    CHECK(pool->next_starved() == nullptr);  // there is no buffer
    pool->leave_line(ops[2]);
    pool->leave_line(ops[0]);
    CHECK_FALSE(ops[0].starved);
    pool->take_back(other.number);
    CHECK(pool->next_starved() == &ops[1]);
    CHECK(pool->entrust().bytes == other.bytes);
    CHECK(pool->next_starved() == nullptr);
    CHECK(pool->starve(ops[0]));
    pool->take_back(other.number);
    CHECK(pool->next_starved() == &ops[3]);
    CHECK(pool->next_starved() == &ops[0]);
    CHECK(pool->next_starved() == nullptr);
    CHECK(pool->entrust().bytes == other.bytes);
    CHECK(pool->entrust().bytes == nullptr);
    pool->give_back(held.bytes, held.number);
    CHECK(pool->lent() == 0);
}

THOLE_TEST("whom no buffer will ever reach is told that there is no memory", "[unit]") {
    const pool_ptr pool = make_pool(64, 1);
    struct waiting : tcp::receive_op {
        [[nodiscard]] std::error_code end() const { return outcome(); }
    } op;
    CHECK_FALSE(pool->starve(op));  // nothing is lent, so nothing can come back
    CHECK(op.end() == std::errc::not_enough_memory);
    CHECK_FALSE(op.starved);
}
