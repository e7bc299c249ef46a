#pragma once
// The names that users gave to messages of one mailbox. They are read once from the journal, apply in the table, and
// are dropped with their messages.
//
// Names belong to a UIDVALIDITY. Threads: any; only know() may wait for the disk. Refers to the other parts of its
// MailboxReplica.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "sync/mailbox/row_news.hpp"

namespace imapfs::sync {

class LocalNames {
 public:
  /// Called without a lock, where waiting for the disk is allowed.
  using Read = std::function<std::vector<store::LocalName>(const std::string& mailbox, UidValidity)>;

  /// `read` may be empty: then no names are kept.
  LocalNames(const MailboxIdentity& identity, WritableMessageTable& table, MailboxNews& news, RowNews& row_news,
             Read read);

  /// Reads the names given to messages of this UIDVALIDITY, once. Call it without a lock.
  void know(UidValidity validity);
  /// Whether all given names are in the table.
  [[nodiscard]] bool known() const;

  // -- with the mailbox's lock held --
  /// Whether names and places remain valid if the table's UIDVALIDITY becomes `next`.
  [[nodiscard]] bool keeps_places(UidValidity next) const;
  void restart() { known_for_.reset(); }
  /// These messages are gone; their names are, too.
  void note_unused(const UidSet& gone);
  /// Forgets the names of messages that are not in the table and below `uid_next`.
  void forget_gone(Uid uid_next);
  /// Gives a message without a row its present name.
  [[nodiscard]] MessageMeta apply_to(MessageMeta meta) const;

 private:
  const MailboxIdentity& identity_;
  WritableMessageTable& table_;
  MailboxNews& news_;
  RowNews& row_news_;
  const Read read_;
  std::optional<UidValidity> known_for_;
};

}  // namespace imapfs::sync
