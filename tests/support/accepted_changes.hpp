#pragma once
// Changes of messages that a fake account accepts before they end: what they show meanwhile, where they have brought
// messages, and who waits for them. Thread-safe; completions run with no lock held.

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "change_record.hpp"
#include "fake_tables.hpp"
#include "imapfs/sync/message_changer.hpp"

namespace imapfs::testing {

class AcceptedChanges {
 public:
  struct Change {
    std::string text;
    sync::ChangeSource source;
    sync::ArrivalTarget target;
    std::function<Result<sync::Arrival>(const MessageLocation&)> carry_out;
    bool hides_source = false;
    std::optional<std::string> restored_as;
  };

  /// They outlive it.
  AcceptedChanges(ChangeRecord& record, FakeTables& tables) : record_(record), tables_(tables) {}

  void accept(Change change, sync::ChangeReply reply) {
    if (auto error = record_.record(change.text)) return reply.accepted(fail(std::move(*error)));
    const auto id = begin(change);
    reply.accepted(id);
    record_.hold_or_end([this, id, change, finished = std::move(reply.finished)](const std::optional<Error>& refused) {
      auto result = refused ? Result<sync::Arrival>(fail(*refused)) : change.carry_out(resolved(change.source));
      if (!result) roll_back(change);
      {
        const std::lock_guard guard(mutex_);
        open_.erase(id);
        if (result) arrivals_[id] = *result;
      }
      if (finished) finished(result);
      tell_waiting(id, result);
    });
  }
  void await(sync::ChangeId change, Completion<sync::Arrival> finished) {
    {
      const std::lock_guard guard(mutex_);
      const bool open = open_.contains(change) || std::any_of(pending_.begin(), pending_.end(),
                                                              [&](const auto& one) { return one.change == change; });
      if (open) {
        awaiting_.emplace(change, std::move(finished));
        return;
      }
    }
    finished(fail(ENOENT, "the change has ended"));
  }

  // -- accepted by an earlier process --

  [[nodiscard]] std::vector<sync::PendingArrival> pending() const {
    const std::lock_guard guard(mutex_);
    return pending_;
  }
  void add_pending(sync::PendingArrival pending) {
    const std::lock_guard guard(mutex_);
    pending_.push_back(std::move(pending));
  }
  void end_pending(sync::ChangeId change, const Result<sync::Arrival>& result) {
    {
      const std::lock_guard guard(mutex_);
      std::erase_if(pending_, [&](const auto& pending) { return pending.change == change; });
    }
    tell_waiting(change, result);
  }

 private:
  /// Its effect shows.
  sync::ChangeId begin(const Change& change) {
    sync::ChangeId id;
    {
      const std::lock_guard guard(mutex_);
      id = sync::ChangeId{++last_};
      open_.insert(id);
    }
    if (change.hides_source && change.source.brought_by.value == 0) tables_.hide(change.source.message, true);
    tables_.hide(change.target.replaces, true);
    if (change.restored_as) {
      tables_.flag_deleted(change.source.message, false);
      if (!change.restored_as->empty()) tables_.rename(change.source.message, *change.restored_as);
    }
    return id;
  }
  void roll_back(const Change& change) {
    if (change.source.brought_by.value == 0) tables_.hide(change.source.message, false);
    tables_.hide(change.target.replaces, false);
    if (change.restored_as) tables_.flag_deleted(change.source.message, true);
  }
  void tell_waiting(sync::ChangeId change, const Result<sync::Arrival>& result) {
    std::vector<Completion<sync::Arrival>> waiting;
    {
      const std::lock_guard guard(mutex_);
      const auto [begin, end] = awaiting_.equal_range(change);
      for (auto one = begin; one != end; ++one) waiting.push_back(std::move(one->second));
      awaiting_.erase(begin, end);
    }
    for (auto& done : waiting) done(result);
  }
  [[nodiscard]] MessageLocation resolved(const sync::ChangeSource& source) const {
    if (source.brought_by.value == 0) return source.message;
    const std::lock_guard guard(mutex_);
    const auto found = arrivals_.find(source.brought_by);
    return found == arrivals_.end() ? MessageLocation{} : found->second.message;
  }

  ChangeRecord& record_;
  FakeTables& tables_;
  mutable std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::set<sync::ChangeId> open_;
  std::map<sync::ChangeId, sync::Arrival> arrivals_;
  std::multimap<sync::ChangeId, Completion<sync::Arrival>> awaiting_;
  std::vector<sync::PendingArrival> pending_;
};

}  // namespace imapfs::testing
