#pragma once
// What a fake account was asked to change, as lines, and when that ends: at once, or when the test lets it.
// Thread-safe; nothing runs with a lock held.

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs::testing {

class ChangeRecord {
 public:
  /// Carries the change out, or, with an Error, refuses it.
  using End = std::function<void(const std::optional<Error>&)>;

  // -- what the test arranges --

  /// Every change so far, in order: "move INBOX/7 -> Sent/x replacing Sent/8", "remove INBOX/7", "expunge INBOX/7",
  /// "restore INBOX/7 as x", "name INBOX/7 x", "flags INBOX/7 +\Flagged", "append INBOX/x", "create Archive/New",
  /// "delete Sent", "rename Sent -> Archive/Out". A message that another change brings is "change 3".
  [[nodiscard]] std::vector<std::string> recorded() const {
    const std::lock_guard guard(mutex_);
    return recorded_;
  }
  /// From now on changes are accepted (uploads, flags, names and mailboxes: wait) and end in finish_changes() or
  /// refuse_changes().
  void hold_changes() {
    const std::lock_guard guard(mutex_);
    holding_ = true;
  }
  void finish_changes() { end_all(std::nullopt); }
  void refuse_changes(const Error& error) { end_all(error); }
  [[nodiscard]] std::size_t held_changes() const {
    const std::lock_guard guard(mutex_);
    return held_.size();
  }
  /// The next change is not accepted.
  void fail_next(Error error) {
    const std::lock_guard guard(mutex_);
    failure_ = std::move(error);
  }

  // -- for the fakes --

  /// Records it; the Error if it is to fail.
  std::optional<Error> record(const std::string& text) {
    const std::lock_guard guard(mutex_);
    recorded_.push_back(text);
    return std::exchange(failure_, std::nullopt);
  }
  void hold_or_end(End end) {
    {
      const std::lock_guard guard(mutex_);
      if (holding_) return held_.push_back(std::move(end));
    }
    end(std::nullopt);
  }
  /// A change that its caller waits for.
  template <class T, class Work>
  void perform(const std::string& text, Work work, Completion<T> done) {
    if (auto error = record(text)) return done(fail(std::move(*error)));
    hold_or_end([work = std::move(work), done = std::move(done)](const std::optional<Error>& refused) {
      if (refused) return done(fail(*refused));
      done(work());
    });
  }
  /// When every change that is held now has ended.
  void after_held(Completion<void> done) {
    {
      const std::lock_guard guard(mutex_);
      if (!held_.empty()) return held_.push_back([done = std::move(done)](const auto&) { done({}); });
    }
    done({});
  }

 private:
  void end_all(const std::optional<Error>& error) {
    std::vector<End> ended;
    {
      const std::lock_guard guard(mutex_);
      holding_ = false;
      ended = std::exchange(held_, {});
    }
    for (auto& end : ended) end(error);
  }

  mutable std::mutex mutex_;
  std::vector<std::string> recorded_;
  bool holding_ = false;
  std::vector<End> held_;
  std::optional<Error> failure_;
};

}  // namespace imapfs::testing
