// SPDX-License-Identifier: BSL-1.0
// What the tests of graceful closing share.
#pragma once

#include "support/scenario.hpp"

namespace thole::test {

using tcp::close_end;
using tcp::close_phase;
using tcp::close_report;

inline const transfer nothing_more{0, make_error_code(errc::end_of_stream)};

struct reported {
    std::vector<close_report>* in;
    void operator()(const close_report& end) const { in->push_back(end); }
};

// One graceful close and its report.
class parting {
public:
    void start(tcp::socket& from, deadline until = within(patience),
               tcp::close_options options = {}) {
        op.start(from, until, options);
        CHECK_FALSE(from.is_open());
    }
    [[nodiscard]] bool ended() const { return !ends_.empty(); }
    [[nodiscard]] const close_report& report() const {
        REQUIRE(ends_.size() == 1);
        return ends_.front();
    }

private:
    std::vector<close_report> ends_;

public:
    callback<tcp::close_gracefully_op, reported> op{reported{&ends_}};
};

inline bool is_gone(std::error_code error) {
    return error == std::errc::connection_reset || error == std::errc::broken_pipe;
}

// What was written is in the kernel's hands, and some of it will stay there.
inline std::size_t stuff(loop& on, tcp::socket& to) {
    journal log;
    std::size_t count = 0;
    noting<tcp::write_some_op> writing{noted{&log, "write"}};
    for (std::size_t i = 0; i < 1000; ++i) {
        writing.start(to, bulk(), within(50ms));
        settle(on);
        if (log[i].error) {
            CHECK(log[i].error == errc::deadline_reached);
            break;
        }
        count += log[i].count;
    }
    REQUIRE(count != 0);
    return count;
}

// Others may go on.
inline void until(loop& on, const parting& one) {
    const guard limit(on, patience);
    while (!one.ended() && !limit.fired()) {
        CHECK(on.run_for(5ms).error() == no_error);
    }
}

// Its connection is gone: after a mere FIN the kernel would take the first write.
inline void check_aborted(loop& on, tcp::socket& peer) {
    const auto tries = [](tcp::socket& to) -> task<transfer> {
        const transfer sent = co_await to.write(bytes_of("anybody?"), within(patience));
        co_return sent;
    };
    turn(on);  // io_uring has been asked to close by now
    const transfer sent = run(on, tries(peer));
    CAPTURE(sent.error.message());
    CHECK(is_gone(sent.error));
}

}  // namespace thole::test
