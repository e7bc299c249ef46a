#pragma once
// The changes that have been accepted and have not ended: in which order they may be carried out, and which of them go
// together.
//
// Changes of one message wait for each other in the order of acceptance. A change of what a move, copy or append is
// still bringing waits for that one, and is then a change of the message that has come. All others are free, and those
// that say the same of messages in one mailbox make up one batch. Plain data, no locks: Changes guards it.

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/store/journal.hpp"
#include "imapfs/sync/account.hpp"

namespace imapfs::sync {

/// Keeps new rows of a destination held back for as long as somebody may still have to say which of them are ours.
class ArrivalGuard;

/// Somebody who waits until certain changes have ended.
struct DrainWaiter {
  MailboxId mailbox;
  std::size_t remaining = 0;
  Completion<void> done;
};

/// An accepted change.
struct PendingChange {
  store::JournalChange change;
  std::string operation;  ///< for people: "remove", "move" …
  std::string path;       ///< for people: "INBOX/name.eml"
  FlagSet message_flags;  ///< as they were when it was accepted
  UnixTime accepted_at = 0;

  Completion<ChangeId> accepted;  ///< empty once called
  std::vector<Completion<Arrival>> finished;
  std::vector<std::shared_ptr<DrainWaiter>> settlers;
  std::vector<Completion<void>> followed_by;  ///< what must come after it

  bool look_up = false;  ///< a command was sent whose outcome is not known
  bool in_flight = false;
  bool parked = false;    ///< an upload whose outcome is not known and whose user has been told so: waits for the next
                          ///< attempt or run
  unsigned attempts = 0;  ///< that ended without an outcome
  unsigned sent_in_vain = 0;           ///< commands that were sent, and a look found that nothing had happened
  std::uint64_t group = 0;             ///< not 0: part of a batch that was refused as a whole
  std::shared_ptr<unsigned> refusals;  ///< of the batch it was part of
  std::shared_ptr<ArrivalGuard> hold;
};

/// What a mailbox is called after `from` was renamed to `to`.
[[nodiscard]] std::string renamed_mailbox(const std::string& name, const std::string& from, const std::string& to,
                                          char delimiter);

class ChangeQueue {
 public:
  static constexpr std::size_t limit = 200'000;
  static constexpr std::size_t batch_limit = 5'000;
  /// RFC 7162 §4: command lines beyond 8192 octets may be refused. What is left is for the command and the
  /// destination's name.
  static constexpr std::size_t set_text_limit = 7'000;

  [[nodiscard]] std::size_t size() const { return changes_.size(); }
  [[nodiscard]] PendingChange* find(ChangeId id);
  [[nodiscard]] const std::map<ChangeId, PendingChange>& changes() const { return changes_; }
  template <class Function>
  void for_each(Function&& function) {
    for (auto& [id, pending] : changes_) function(pending);
  }

  /// The unfinished move at the end of what is to happen to this message: what is accepted now is about the message
  /// that it brings. 0: none.
  [[nodiscard]] ChangeId moving(const store::JournalLocation& message) const;
  /// The same for the message that `change` brings; `change` itself if nothing moves that.
  [[nodiscard]] ChangeId moving(ChangeId change) const;
  /// Changes that wait for this one to bring their message.
  [[nodiscard]] std::vector<ChangeId> direct_followers(ChangeId id) const;
  /// The last of what is still to happen to the message; null: nothing.
  [[nodiscard]] PendingChange* last_of(const store::JournalLocation& message);
  /// What is still to happen to the message.
  [[nodiscard]] std::vector<const store::JournalChange*> changes_of(const store::JournalLocation& message) const;
  /// A change with its id; its source is a location, or what `follows` brings.
  void add(PendingChange change);

  /// Changes that may be carried out by one command, in order of UID; none is in flight from the same mailbox. Empty:
  /// nothing is ready.
  [[nodiscard]] std::vector<ChangeId> take_batch();
  /// Gives back what take_batch() has taken and has not ended. `pause`: not before that time.
  void put_back(const std::vector<ChangeId>& batch, SteadyClock::duration pause);
  /// The mailbox has no batch in flight any more.
  void release(const std::string& mailbox) { busy_.erase(mailbox); }
  /// What take_batch() considers busy while these are in flight.
  [[nodiscard]] static std::string busy_key(const store::JournalChange& change);
  /// Puts those back whose pause has ended; the time of the next one, if any.
  std::optional<SteadyClock::time_point> wake(SteadyClock::time_point now);

  /// Those that are about what this one brings, and all that are about what those bring.
  [[nodiscard]] std::vector<ChangeId> followers(ChangeId id) const;
  /// Those that must not be carried out when this one was refused: its followers, and the later changes of its message
  /// with theirs.
  [[nodiscard]] std::vector<ChangeId> dependents(ChangeId id) const;
  /// Takes the change out. Those that follow what it has brought get `arrived` as their source.
  PendingChange end(ChangeId id, const store::JournalLocation& arrived);
  /// After RENAME.
  void rename_mailbox(const std::string& from, const std::string& to, char delimiter);

 private:
  /// A message: where it is, or the change that brings it.
  using MessageKey = std::tuple<std::string, std::uint32_t, std::uint32_t, std::uint64_t>;
  using BatchKey =
      std::tuple<store::JournalChange::Kind, std::string, std::uint32_t, std::string, std::string, bool, std::uint64_t>;

  [[nodiscard]] static MessageKey key_of(const store::JournalChange& change);
  [[nodiscard]] static BatchKey batch_key_of(const PendingChange& change);
  [[nodiscard]] static bool waits_for_arrival(const store::JournalChange& change);
  void make_ready(ChangeId id);
  void front_is_ready(const MessageKey& key);

  std::map<ChangeId, PendingChange> changes_;
  std::map<MessageKey, std::deque<ChangeId>> queues_;
  std::map<BatchKey, std::set<ChangeId>> ready_;
  std::multimap<SteadyClock::time_point, ChangeId> paused_;
  std::set<std::string> busy_;
};

}  // namespace imapfs::sync
