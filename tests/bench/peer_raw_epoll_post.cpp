// SPDX-License-Identifier: BSL-1.0
#include <sys/eventfd.h>

#include <array>
#include <new>
#include <type_traits>

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

// The closure lies in its node, and the nodes are there: no more than a turn's and the turn itself
// are queued at a time.
struct node {
    node* next;
    void (*act)(node&);
    void* closure;
};

class queue {
public:
    template <class Act>
    void post(Act act) {
        static_assert(sizeof act <= sizeof(void*) && std::is_trivially_copyable_v<Act>);
        node& one = pool_[used_++ % pool_.size()];
        one.next = nullptr;
        one.act = [](node& self) {
            Act copy = *std::launder(reinterpret_cast<Act*>(&self.closure));
            copy();
        };
        new (&one.closure) Act(act);
        *tail_ = &one;
        tail_ = &one.next;
    }
    void run() {
        while (head_ != nullptr) {
            node& one = *head_;
            head_ = one.next;
            if (head_ == nullptr) {
                tail_ = &head_;
            }
            one.act(one);
        }
    }

private:
    std::array<node, 1024> pool_;
    std::size_t used_ = 0;
    node* head_ = nullptr;
    node** tail_ = &head_;
};

void post_single(const arguments& a, result& r) {
    queue all;
    post_from_handlers(
        a, r, [&](auto act) { all.post(act); }, [&] { all.run(); });
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
