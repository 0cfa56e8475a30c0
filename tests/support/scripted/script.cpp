// SPDX-License-Identifier: BSL-1.0
#include "script.hpp"

#include <list>
#include <mutex>
#include <utility>

namespace thole::script {

// All rules and the record; any thread.
class stage {
public:
    rule& add(std::string_view name) {
        const std::lock_guard lock(mutex_);
        rules_.emplace_back().name_ = name;
        return rules_.back();
    }
    void reset() {
        const std::lock_guard lock(mutex_);
        rules_.clear();
        record_.clear();
    }
    std::vector<call> record(std::string_view name) {
        const std::lock_guard lock(mutex_);
        std::vector<call> found;
        for (const call& one : record_) {
            if (name.empty() || one.name == name) {
                found.push_back(one);
            }
        }
        return found;
    }
    void note(call&& ended) {
        const std::lock_guard lock(mutex_);
        record_.push_back(std::move(ended));
    }
    answer choose(const call& asked) {
        const std::lock_guard lock(mutex_);
        const rule* found = nullptr;
        for (rule& one : rules_) {
            if (one.delay_ > 0) {
                --one.delay_;
            } else if (found == nullptr && matches(one, asked)) {
                found = &one;
            }
        }
        if (found == nullptr) {
            return {};
        }
        return {found->lies_,   found->asks_ || !found->lies_,
                found->result_, found->error_,
                found->cut_,    found->instead_,
                found->then_};
    }

private:
    static bool matches(rule& one, const call& asked) {
        const bool named = one.name_.empty() || one.name_ == asked.name;
        if (!named || one.left_ == 0 || (one.test_ && !one.test_(asked))) {
            return false;
        }
        if (one.skip_ > 0) {
            --one.skip_;
            return false;
        }
        if (one.left_ != INT_MAX) {
            --one.left_;
        }
        ++one.used_;
        return true;
    }

    std::mutex mutex_;
    std::list<rule> rules_;
    std::vector<call> record_;
};

namespace {

stage& the_stage() {
    static stage one;
    return one;
}

}  // namespace

rule& rule::gives(std::intptr_t result, int error) {
    lies_ = true;
    result_ = result;
    error_ = error;
    return *this;
}

rule& on(std::string_view name) { return the_stage().add(name); }
rule& on_any() { return the_stage().add({}); }
void reset() { the_stage().reset(); }
std::vector<call> calls(std::string_view name) { return the_stage().record(name); }
std::size_t count(std::string_view name) { return calls(name).size(); }
answer choose(const call& asked) { return the_stage().choose(asked); }
void note(call&& ended) { the_stage().note(std::move(ended)); }

}  // namespace thole::script
