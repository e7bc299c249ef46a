#pragma once
// What the server allows in one mailbox: by MYRIGHTS, and by READ-ONLY and PERMANENTFLAGS of the last SELECT for a
// change.
//
// Unknown rights count as granted. A change is news. Threads: any, under the mailbox's lock (MailboxNews::lock).

#include <optional>
#include <string>

#include "imapfs/imap/session.hpp"
#include "sync/mailbox/mailbox_news.hpp"

namespace imapfs::sync {

class Rights {
 public:
  explicit Rights(MailboxNews& news) : news_(news) {}

  [[nodiscard]] MailboxRights current() const;
  /// Whether to ask for MYRIGHTS: it never was, or a later answer contradicts it.
  [[nodiscard]] bool wanted() const;

  /// Takes MYRIGHTS; nothing if the server has no ACL.
  void note(const std::optional<std::string>& my_rights);
  /// Takes the answer to a SELECT with read_write.
  void note_selection(const imap::SelectedMailbox& selected);
  /// The server has refused something that seemed allowed.
  void doubt();

 private:
  void note_change(const MailboxRights& before);

  MailboxNews& news_;
  std::optional<std::string> my_rights_;
  bool asked_ = false;
  std::optional<imap::SelectedMailbox> selection_;
};

}  // namespace imapfs::sync
