#pragma once
// The changes that have been accepted and have not ended: in which order they may be carried out, and which of them go
// together.
//
// Changes of one message wait for each other in the order of acceptance (MessageOrder). A change of what a move, copy
// or append is still bringing waits for that one, and is then a change of the message that has come. All others are
// free, and those that say the same of messages in one mailbox make up one batch (ReadyChanges).
//
// Plain data, no locks: whoever shares it guards it (change_table.hpp).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sync/changes/message_order.hpp"
#include "sync/changes/pending_change.hpp"
#include "sync/changes/ready_changes.hpp"

namespace imapfs::sync {

class ChangeQueue {
 public:
  static constexpr std::size_t limit = 200'000;

  [[nodiscard]] std::size_t size() const { return changes_.size(); }
  [[nodiscard]] PendingChange* find(ChangeId id);
  [[nodiscard]] const PendingChange* find(ChangeId id) const;
  [[nodiscard]] const std::map<ChangeId, PendingChange>& changes() const { return changes_; }
  template <class Function>
  void for_each(Function&& function) {
    for (auto& [id, pending] : changes_) function(pending);
  }

  /// Which changes are about the same message, and which about what others bring.
  [[nodiscard]] const MessageOrder& order() const { return order_; }
  /// The last of what is still to happen to the message; null: nothing.
  [[nodiscard]] PendingChange* last_of(const store::JournalLocation& message);
  /// What is still to happen to the message.
  [[nodiscard]] std::vector<const store::JournalChange*> changes_of(const store::JournalLocation& message) const;
  /// Something of that takes it out of where it is listed.
  [[nodiscard]] bool is_leaving(const store::JournalLocation& message) const;
  /// Those that must not be carried out when this one was refused: its followers, and the later changes of its message
  /// with theirs.
  [[nodiscard]] std::vector<ChangeId> dependents(ChangeId id) const;

  /// A change with its id; its source is a location, or what `follows` brings.
  void add(PendingChange change);
  /// Takes the change out. Those that follow what it has brought get `arrived` as their source.
  PendingChange end(ChangeId id, const store::JournalLocation& arrived);
  /// After RENAME.
  void rename_mailbox(const std::string& from, const std::string& to, char delimiter);

  /// Changes that may be carried out by one command, in order of UID; none is in flight from the same mailbox. Empty:
  /// nothing is ready.
  [[nodiscard]] std::vector<ChangeId> take_batch();
  /// Gives back what take_batch() has taken and has not ended. `pause`: not before that time.
  void put_back(const std::vector<ChangeId>& batch, SteadyClock::duration pause);
  /// The batch that begins with `change` is not in flight any more.
  void release_mailbox_of(const store::JournalChange& change);
  /// Puts those back whose pause has ended; the time of the next one, if any.
  std::optional<SteadyClock::time_point> wake(SteadyClock::time_point now);

 private:
  void make_ready(ChangeId id);

  std::map<ChangeId, PendingChange> changes_;
  MessageOrder order_;
  ReadyChanges ready_;
};

}  // namespace imapfs::sync
