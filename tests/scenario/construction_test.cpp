// SPDX-License-Identifier: BSL-1.0
// Cases that hold by construction (cases.txt): there is no socket before it is connected, no
// listener before it listens, and no queue of writes. The compiler is asked.
#include <thole/thole.hpp>

#include <concepts>
#include <type_traits>

namespace {

using namespace thole;

template <class T>
concept can_connect = requires(T& t, endpoint to) {
    t.connect(to);
};
template <class T>
concept can_bind = requires(T& t, endpoint to) {
    t.bind(to);
};
template <class T>
concept can_listen = requires(T& t) {
    t.listen();
}
|| requires(T& t) { t.listen(1); };
template <class T>
concept can_open = requires(T& t) {
    t.open();
};

// CN11, CN12: nothing can be connected a second time.
static_assert(!can_connect<tcp::socket>);
static_assert(!can_bind<tcp::socket> && !can_open<tcp::socket>);
// CN13, CN14: what can be read from or written to comes from a connection that was made.
static_assert(std::same_as<tcp::connect_op::result_type, result<tcp::socket>>);
static_assert(!std::constructible_from<tcp::socket, loop&>);
static_assert(!std::constructible_from<tcp::read_op, tcp::connect_op&, tcp::mutable_bytes>);
// CN30: a connect takes no socket, so none can be used again.
static_assert(!std::constructible_from<tcp::connect_op, tcp::socket&, endpoint>);
static_assert(!std::constructible_from<tcp::connect_op, loop&, tcp::socket&, endpoint>);
// AC03, AC04: open() binds and listens, or there is no listener.
static_assert(!can_listen<tcp::listener> && !can_bind<tcp::listener>);
static_assert(!std::constructible_from<tcp::listener, loop&>);
static_assert(std::same_as<decltype(tcp::listener::open(std::declval<loop&>(), endpoint{})),
                           result<tcp::listener>>);

}  // namespace
