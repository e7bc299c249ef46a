#pragma once
// The changes that may be carried out now, or after a pause, and which of them make up one batch: those that say the
// same of messages in one mailbox, as many as one command line may name.
//
// Plain data, no locks: part of ChangeQueue.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "sync/changes/pending_change.hpp"

namespace imapfs::sync {

class ReadyChanges {
 public:
  static constexpr std::size_t batch_limit = 5'000;

  /// The mailbox that is busy while this change is in flight.
  [[nodiscard]] static std::string busy_key(const store::JournalChange& change);

  void add(const PendingChange& pending);
  void remove(const PendingChange& pending);
  /// A batch in order of UID, with the change that was accepted first; its mailbox is busy then. Empty: nothing is
  /// ready where nothing is in flight.
  [[nodiscard]] std::vector<ChangeId> take_batch();
  void release(const std::string& mailbox) { busy_.erase(mailbox); }
  /// Of all but what is paused or in flight: to be added anew.
  void clear() { sets_.clear(); }

  void pause(ChangeId id, SteadyClock::time_point until) { paused_.emplace(until, id); }
  /// Whose pause has ended.
  [[nodiscard]] std::vector<ChangeId> take_due(SteadyClock::time_point now);
  [[nodiscard]] std::optional<SteadyClock::time_point> next_due() const;
  [[nodiscard]] std::set<ChangeId> paused() const;

 private:
  using BatchKey =
      std::tuple<store::JournalChange::Kind, std::string, std::uint32_t, std::string, std::string, bool, std::uint64_t>;
  using Set = std::map<ChangeId, Uid>;
  [[nodiscard]] static BatchKey key_of(const PendingChange& pending);

  std::map<BatchKey, Set> sets_;
  std::multimap<SteadyClock::time_point, ChangeId> paused_;
  std::set<std::string> busy_;
};

}  // namespace imapfs::sync
