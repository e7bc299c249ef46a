#pragma once
// The names that users gave to messages of one mailbox: read once from where they are kept, in force in the table, and
// dropped with their messages.
//
// Names belong to a UIDVALIDITY. Threads: any; the disk may be waited for in know() only. Refers to the other parts of
// its MailboxReplica.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "sync/mailbox/row_news.hpp"

namespace imapfs::sync {

class LocalNames {
 public:
  /// Called with no lock held, where the disk may be waited for.
  using Read = std::function<std::vector<store::LocalName>(const std::string& mailbox, UidValidity)>;

  /// `read` may be empty: no names are kept anywhere.
  LocalNames(const MailboxIdentity& identity, WritableMessageTable& table, MailboxNews& news, RowNews& row_news,
             Read read);

  /// Reads the names given to messages of this UIDVALIDITY, once. With no lock held.
  void know(UidValidity validity);
  /// Whether a name that the table does not know cannot exist.
  [[nodiscard]] bool known() const;

  // -- with the mailbox's lock held --
  /// Whether names and places stay when `next` turns out to be the table's UIDVALIDITY.
  [[nodiscard]] bool keeps_places(UidValidity next) const;
  void restart() { known_for_.reset(); }
  /// These messages are gone, and their names with them.
  void note_unused(const UidSet& gone);
  /// Forgets the names of messages that are neither in the table nor to come.
  void forget_gone(Uid uid_next);
  /// A message without a row, under the name that it has.
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
