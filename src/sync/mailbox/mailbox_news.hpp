#pragma once
// What has changed in one mailbox and is not announced yet: first to the store, then to the ChangeListener.
//
// Whoever changes the mailbox's table holds lock() meanwhile and notes here what is to be announced; so news keep the
// order in which the table took the changes. publish() hands on what was noted, with no lock held.
//
// Threads: any. The lock is taken before the table's own and before that of the Strand. Refers to the identity, the
// store and the listener, which outlive it.

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "imapfs/store/metadata_store.hpp"
#include "imapfs/sync/change_listener.hpp"
#include "sync/mailbox/mailbox_identity.hpp"
#include "sync/mailbox/strand.hpp"
#include "sync/store_writer.hpp"

namespace imapfs::sync {

class MailboxNews {
 public:
  using Lock = std::unique_lock<std::mutex>;
  using Change = ChangeListener::MailboxChange;
  /// These messages are gone for good, and their names with them. Must not block.
  using NamesUnused = std::function<void(const std::string& mailbox, UidValidity, const UidSet&)>;

  MailboxNews(const MailboxIdentity& identity, StoreWriter& store, ChangeListener& listener, NamesUnused names_unused);

  [[nodiscard]] Lock lock() const { return Lock(mutex_); }

  // -- with the lock held --
  [[nodiscard]] Change& change();
  /// The same for something that goes: what came and was not announced yet must be announced first.
  [[nodiscard]] Change& change_for_removal();
  void everything_changed();
  /// For the store.
  [[nodiscard]] store::MetadataStore::Batch& batch() { return noted_.batch; }
  /// The store is to forget the rows, and what was noted for it.
  void forget_stored_rows();
  void names_unused(UidValidity validity, UidSet uids);

  // -- without it --
  /// The line that told of what is noted from now on came at this time (none: as it is noted).
  void received(std::optional<SteadyClock::time_point> time);
  void publish();
  /// publish() once so much has been noted that it should not wait (rows of a batch for the store).
  void publish_when_large();
  /// publish() if somebody waits for what has been noted: not for rows of a listing that goes on.
  void publish_unless_rows_only();
  /// publish(), then `then` (may be empty) once everything before it was announced.
  void publish_before(Job then);

 private:
  struct UnusedNames {
    UidValidity uid_validity;
    UidSet uids;
  };
  struct Noted {
    store::MetadataStore::Batch batch;
    std::vector<Change> changes;
    std::vector<UnusedNames> unused_names;
  };

  void announce(Noted noted);

  const MailboxIdentity& identity_;
  StoreWriter& store_;
  ChangeListener& listener_;
  const NamesUnused names_unused_;
  Strand strand_;
  mutable std::mutex mutex_;
  Noted noted_;
  std::optional<SteadyClock::time_point> received_;
};

}  // namespace imapfs::sync
