// SPDX-License-Identifier: BSL-1.0
#include <thole/loop.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include "core/backends.hpp"
#include "core/error_table.hpp"
#include "core/loop_core.hpp"

namespace thole {

namespace {

struct named_kind {
    backend_kind kind;
    std::string_view name;
};

constexpr std::array<named_kind, 6> kinds{{
    {backend_kind::automatic, "automatic"},
    {backend_kind::epoll, "epoll"},
    {backend_kind::select, "select"},
    {backend_kind::io_uring, "io_uring"},
    {backend_kind::iocp, "iocp"},
    {backend_kind::sim, "sim"},
}};

// In a program that has no loop with options.
detail::backend_choice make_linked(backend_kind kind, detail::loop_core& core) {
    if (kind == detail::basic_backend()) {
        return detail::make_basic_backend(core);
    }
    return {nullptr,
            {detail::raw_of(std::errc::operation_not_supported), system_category()},
            "no loop of this program has options, so it is not linked"};
}

// Takes what came of asking for `kind`; false: it cannot be had.
bool take(detail::loop_core& core, backend_kind kind, detail::backend_maker make,
          const char* reason) {
    detail::backend_choice choice = make(kind, core);
    core.error = choice.error;
    core.info.kind = kind;
    if (choice.made == nullptr) {
        core.info.reason.swap(choice.reason);
        return false;
    }
    core.network = std::move(choice.made);
    core.offering = core.network->offer;
    core.taking_read = core.network->take_read;
    core.taking_write = core.network->take_write;
    core.info.name = to_string(kind);
    core.info.reason.clear();
    core.info.reason += reason;  // no other way of making strings: decision 0019
    return true;
}

// The environment's wish and the default fall back, and say why.
void choose_by_environment(detail::loop_core& core, detail::backend_maker make) {
    const std::string wish = detail::environment_variable("THOLE_BACKEND");
    std::string instead;  // of what could not be had
    const auto note = [&instead](const char* what, const char* why) {
        for (const char* part : {what, ": ", why}) {
            instead += part;
        }
    };
    if (!wish.empty() && wish != to_string(backend_kind::automatic)) {
        const result<backend_kind> named = parse_backend(wish);
        if (named && take(core, *named, make, "asked for by THOLE_BACKEND")) {
            return;
        }
        instead += ", instead of THOLE_BACKEND=";
        note(wish.c_str(), named ? core.info.reason.c_str() : "no backend has this name");
    }
    constexpr const char* reason = "the default of this platform";
    const backend_kind standard = detail::default_backend();
    const backend_kind reserve = detail::basic_backend();
    bool taken = take(core, standard, make, reason);
    if (!taken && reserve != standard) {
        instead += ", instead of ";
        note(to_string(standard).data(), core.info.reason.c_str());
        taken = take(core, reserve, make, reason);
    }
    if (taken) {
        core.info.reason += instead.c_str();
    }
}

// Null: the options make no sense.
detail::buffer_pool* lender_of(detail::loop_core& core, const loop_options& options) {
    using detail::buffer_pool;
    return buffer_pool::takes_size(options.lent_buffer_size) &&
                   buffer_pool::takes_count(options.lent_buffers) && options.graceful_closes != 0
               ? new buffer_pool(&core, options.lent_buffer_size, options.lent_buffers)
               : nullptr;
}

}  // namespace

std::string_view to_string(backend_kind kind) noexcept {
    for (const named_kind& known : kinds) {
        if (known.kind == kind) {
            return known.name;
        }
    }
    return {};
}

result<backend_kind> parse_backend(std::string_view name) {
    for (const named_kind& known : kinds) {
        if (known.name == name) {
            return known.kind;
        }
    }
    return unexpected(std::errc::invalid_argument);
}

detail::backend_choice detail::refused(const char* what, int raw) {
    backend_choice none{nullptr, {raw, system_category()}, what};
    none.reason += ": ";
    none.reason += system_message(raw);
    return none;
}

detail::backend_maker detail::linked_backends = nullptr;

detail::loop_core::loop_core(loop_options options, backend_maker make) noexcept
    : lent(lender_of(*this, options)), simulated_sockets(options.simulated_sockets) {
    closings.most = options.graceful_closes;
    if (lent == nullptr) {
        lent.reset(new buffer_pool(this, buffer_pool::smallest, 1));
        error = {raw_of(std::errc::invalid_argument), system_category()};
        info.kind = options.backend;
        info.reason =
            "lent_buffer_size is a power of two from 64 to 65536, lent_buffers 1 to 32768, "
            "graceful_closes at least 1";
    } else if (options.backend == backend_kind::automatic) {
        choose_by_environment(*this, make);
    } else {  // exact
        take(*this, options.backend, make, "asked for by the program");
    }
    if (error) {
        retire();
    } else {
        if (info.kind != backend_kind::sim) {  // its clock stands still while it is polled
            spin = spin_policy(options.spin.count());
        }
        wheel.begin(clock().time_since_epoch().count());
    }
}

loop::loop() noexcept
    : core_(new detail::loop_core({}, detail::linked_backends != nullptr ? detail::linked_backends
                                                                         : &make_linked)) {}

loop::~loop() {
    if (core_->running) {
        std::fputs("thole: a loop was destroyed while it runs\n", stderr);
        std::terminate();
    }
    delete core_;
}

std::error_code loop::error() const noexcept { return core_->usable(); }

const backend_info& loop::backend() const noexcept { return core_->info; }

std::size_t loop::lent_buffers() const noexcept { return core_->lent->lent(); }

closing_counts loop::closing() const noexcept {
    return {core_->closings.running, core_->closings.standing};
}

time_point loop::now() const noexcept {
    return core_->network != nullptr ? core_->clock()
                                     : std::chrono::time_point_cast<time_point::duration>(
                                           std::chrono::steady_clock::now());
}

result<std::size_t> loop::run() { return run_within(never); }

result<std::size_t> loop::run_within(deadline until) {
    std::size_t handled = 0;
    if (const std::error_code failed = core_->run({until, nullptr}, handled)) {
        return unexpected(failed);
    }
    return handled;
}

std::error_code loop::run_while(const detail::spawned_base& running) {
    std::size_t handled = 0;
    if (const std::error_code failed = core_->run({never, &running}, handled)) {
        return failed;
    }
    return running.ended() ? std::error_code{} : errc::cancelled;
}

result<std::size_t> loop::poll() {
    std::size_t handled = 0;
    if (const std::error_code failed = core_->poll(handled)) {
        return unexpected(failed);
    }
    return handled;
}

void loop::stop() noexcept { core_->stop(); }

bool loop::stopped() const noexcept { return core_->stopped.load(); }

void loop::restart() noexcept { core_->stopped.store(false); }

void loop::post(operation& node) noexcept {
    if (node.at == detail::stage::submitted || node.at == detail::stage::finished) {
        std::fputs("thole: an operation was posted while it is queued\n", stderr);
        std::terminate();
    }
    node.at = detail::stage::finished;
    core_->enqueue(node);
}

void loop::adopt_root(detail::promise_base& root) noexcept { core_->add_root(root); }

}  // namespace thole
