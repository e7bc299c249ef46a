#pragma once
// Changes of one mailbox that are not announced yet. They go first to the store, then to the ChangeListener.
//
// Code that changes the mailbox's table holds lock() and notes here what to announce. So news keep the order of the
// table's changes. publish() announces what was noted, without a lock.
//
// Threads: any. The lock is taken before the table's own and before the Strand's. Refers to the identity, the store and
// the listener, which outlive it.

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
  /// These messages, and their names, are gone for good. Must not block.
  using NamesUnused = std::function<void(const std::string& mailbox, UidValidity, const UidSet&)>;

  MailboxNews(const MailboxIdentity& identity, StoreWriter& store, ChangeListener& listener, NamesUnused names_unused);

  [[nodiscard]] Lock lock() const { return Lock(mutex_); }

  // -- with the lock held --
  [[nodiscard]] Change& change();
  /// As change(), for a removal: arrivals that were noted before are announced before it.
  [[nodiscard]] Change& change_for_removal();
  void everything_changed();
  /// What to write to the store.
  [[nodiscard]] store::MetadataStore::Batch& batch() { return noted_.batch; }
  /// Makes the store forget the mailbox's rows; drops what was noted for the store.
  void forget_stored_rows();
  void names_unused(UidValidity validity, UidSet uids);

  // -- without it --
  /// Sets when the server's line arrived that caused the following news (none: the time at which each is noted).
  void received(std::optional<SteadyClock::time_point> time);
  void publish();
  /// publish() if so much has been noted that it should not wait (rows of a batch for the store).
  void publish_when_large();
  /// publish(), unless only rows of a running listing were noted, for which nobody waits.
  void publish_unless_rows_only();
  /// publish(); calls `then` (may be empty) when everything noted before was announced.
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
