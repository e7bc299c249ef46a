#pragma once
// The rows of one mailbox that an earlier mount stored. They are read once, on the store's thread, when they are
// needed.
//
// Rows whose names were made with another template are not used. Threads: any, under the mailbox's lock
// (MailboxNews::lock); rows are read without it. Refers to the other parts of its MailboxReplica.

#include <cstdint>
#include <optional>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/store/metadata_store.hpp"
#include "sync/mailbox/local_names.hpp"

namespace imapfs::sync {

class StoredRows {
 public:
  /// `expected`: the store knows the mailbox.
  StoredRows(const MailboxIdentity& identity, WritableMessageTable& table, MailboxNews& news, MailboxRecord& record,
             LocalNames& local_names, const mime::NameTemplate& names, bool expected);

  /// `loaded`: nothing has to be read from the store. Otherwise `then` is kept, and `must_start` tells whether the
  /// caller must call load() on the store's thread.
  struct LoadTicket {
    bool loaded = false;
    bool must_start = false;
  };
  [[nodiscard]] LoadTicket await_load(Job then);
  /// Reads the stored rows into the table, then calls the waiting jobs.
  void load(store::MetadataStore& metadata);
  /// The store is closed: calls the waiting jobs without rows.
  void abandon_load();
  /// Whether there are rows, or may be in the store.
  [[nodiscard]] bool stored_or_listed() const;

 private:
  /// Returns the UID of the last row, or nothing if the rows cannot be used.
  [[nodiscard]] std::optional<Uid> read_rows(store::MetadataStore& metadata, const store::MailboxState& state);

  const MailboxIdentity& identity_;
  WritableMessageTable& table_;
  MailboxNews& news_;
  MailboxRecord& record_;
  LocalNames& local_names_;
  const mime::NameTemplate& names_;
  enum class Load : std::uint8_t { needed, running, done } load_;
  std::vector<Job> after_load_;
};

}  // namespace imapfs::sync
