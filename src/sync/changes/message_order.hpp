#pragma once
// The order of changes of one message: each waits for those that were accepted before it. A change of what another one
// is still bringing is in a queue of its own until that has come.
//
// Plain data, no locks: part of ChangeQueue.

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "imapfs/sync/message_changer.hpp"

namespace imapfs::sync {

class MessageOrder {
 public:
  /// It is about a message that another change still has to bring.
  [[nodiscard]] static bool waits_for_arrival(const store::JournalChange& change);

  /// True if nothing comes before it.
  [[nodiscard]] bool add(const store::JournalChange& change);
  /// Takes it out. Which one is the first of its message then; 0: none is left.
  ChangeId remove(const store::JournalChange& change);
  /// Takes out those that wait for this one to bring their message, in order.
  [[nodiscard]] std::vector<ChangeId> take_followers(ChangeId id);
  void clear() { queues_.clear(); }

  /// The unfinished move at the end of what is to happen to this message; 0: none.
  [[nodiscard]] ChangeId moving(const store::JournalLocation& message) const;
  /// The same for the message that `change` brings; `change` itself if nothing moves that.
  [[nodiscard]] ChangeId moving(ChangeId change) const;
  /// What is still to happen to the message.
  [[nodiscard]] std::vector<ChangeId> changes_of(const store::JournalLocation& message) const;
  /// Those that wait for this one to bring their message.
  [[nodiscard]] std::vector<ChangeId> direct_followers(ChangeId id) const;
  /// The same, and all that are about what those bring.
  [[nodiscard]] std::vector<ChangeId> followers(ChangeId id) const;
  /// Its followers, and the later changes of its message with theirs.
  [[nodiscard]] std::vector<ChangeId> dependents(const store::JournalChange& change) const;

 private:
  /// A message: where it is, or the change that brings it.
  using MessageKey = std::tuple<std::string, std::uint32_t, std::uint32_t, std::uint64_t>;
  struct Entry {
    ChangeId id;
    bool moves;
  };
  using Entries = std::deque<Entry>;

  [[nodiscard]] static MessageKey key_of(const store::JournalLocation& message);
  [[nodiscard]] static MessageKey key_of(const store::JournalChange& change);
  [[nodiscard]] static MessageKey key_of_followers(ChangeId id) { return {{}, 0, 0, id.value}; }
  [[nodiscard]] std::vector<ChangeId> ids_in(const MessageKey& key) const;

  std::map<MessageKey, Entries> queues_;
};

}  // namespace imapfs::sync
