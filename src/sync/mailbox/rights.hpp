#pragma once
// What the server lets us do in one mailbox: by MYRIGHTS, and by READ-ONLY and PERMANENTFLAGS of the last SELECT that
// was to change something.
//
// What is not known is allowed. A change is news. Threads: any, under the mailbox's lock (MailboxNews::lock).

#include <optional>
#include <string>

#include "imapfs/imap/session.hpp"
#include "sync/mailbox/mailbox_news.hpp"

namespace imapfs::sync {

class Rights {
 public:
  explicit Rights(MailboxNews& news) : news_(news) {}

  [[nodiscard]] MailboxRights current() const;
  /// Whether MYRIGHTS should be asked: it never was, or an answer since then contradicts it.
  [[nodiscard]] bool wanted() const;

  /// MYRIGHTS; nothing where the server has no ACL.
  void note(const std::optional<std::string>& my_rights);
  /// Of a SELECT with read_write.
  void note_selection(const imap::SelectedMailbox& selected);
  /// The server has refused what was thought to be allowed.
  void doubt();

 private:
  void note_change(const MailboxRights& before);

  MailboxNews& news_;
  std::optional<std::string> my_rights_;
  bool asked_ = false;
  std::optional<imap::SelectedMailbox> selection_;
};

}  // namespace imapfs::sync
