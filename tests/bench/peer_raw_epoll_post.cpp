// SPDX-License-Identifier: BSL-1.0
#include <sys/eventfd.h>

#include "mailbox.hpp"
#include "peer_raw_epoll.hpp"

namespace bench::raw_epoll {
namespace {

class sleeper {
public:
    sleeper() { add(poller_, event_, EPOLLIN | EPOLLET, 0); }
    void sleep() const {
        epoll_event events[4];
        epoll_wait(poller_, events, 4, -1);
    }
    void wake() const {
        const std::uint64_t one = 1;
        if (write(event_, &one, sizeof one) != sizeof one) {
            die("eventfd");
        }
    }

private:
    int event_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int poller_ = make_poller();
};

struct node {
    node* next;
    long* counter;
};

void post_single(const arguments& a, result& r) {
    std::vector<node> pool(1000);
    std::size_t used = 0;
    node* head = nullptr;
    node** tail = &head;
    post_from_own_thread(
        a, r,
        [&](long& sum) {
            node& one = pool[used++];
            one = {nullptr, &sum};
            *tail = &one;
            tail = &one.next;
            asm volatile("" ::: "memory");
        },
        [&] {
            for (; head != nullptr; head = head->next) {
                ++*head->counter;
                asm volatile("" ::: "memory");
            }
            tail = &head;
            used = 0;
        });
}

}  // namespace

void post(const arguments& a, result& r) {
    const std::string mode = a.text("mode", "single");
    r.workload = "post_" + mode;
    if (mode == "single") {
        post_single(a, r);
    } else {
        sleeper sleeps;
        post_to_inbox(sleeps, a, r);
    }
}

}  // namespace bench::raw_epoll
