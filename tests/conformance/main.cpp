// SPDX-License-Identifier: BSL-1.0
// The main of the conformance tests, with all of Boost.Test in it: compiled once.
//
//     conformance --backend NAME --differences FILE [--suite NAME] [--guard MILLISECONDS] […]
//
// Boost.Test takes the rest: --run_test='*/read_parked_then_end' plays one scenario in each
// pairing,
// --log_level=message shows the traces.
#define BOOST_TEST_NO_MAIN
#define BOOST_TEST_ALTERNATIVE_INIT_API
#include <boost/test/included/unit_test.hpp>

#include "suite.hpp"

#include <cstdio>
#include <stdexcept>
#include <string_view>
#include <vector>

int main(int count, char** words) {
    thole::conformance::run_options options;
    std::vector<char*> rest{words[0]};
    for (int i = 1; i < count; ++i) {
        const std::string_view word = words[i];
        std::string* value = word == "--backend"       ? &options.backend
                             : word == "--differences" ? &options.differences
                             : word == "--suite"       ? &options.suite
                             : word == "--guard"       ? &options.guard
                                                       : nullptr;
        if (value == nullptr || i + 1 == count) {
            rest.push_back(words[i]);
        } else {
            *value = words[++i];
        }
    }
    try {
        thole::conformance::prepare(options);
    } catch (const std::runtime_error& failed) {
        std::fprintf(stderr, "conformance: %s\n", failed.what());
        return 2;
    }
    const int result = boost::unit_test::unit_test_main(&thole::conformance::register_cases,
                                                        static_cast<int>(rest.size()), rest.data());
    thole::conformance::print_summary();
    return result;
}
