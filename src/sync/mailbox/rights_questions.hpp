#pragma once
// When the server is asked what it lets us do with a mailbox (RFC 4314 MYRIGHTS): before the first change of a mailbox
// that nobody has listed, and after a refusal that contradicts what is known.
//
// What cannot be asked is taken for allowed: the server has the last word. Any thread; no lock.

#include "sync/mailbox/mailbox.hpp"
#include "sync/server.hpp"

namespace imapfs::sync {

class RightsQuestions {
 public:
  explicit RightsQuestions(Server& server) : server_(server) {}

  /// Calls `then` when the rights have been asked for: at once if they have, if they cannot be, or if `mailbox` is
  /// null.
  void with_rights(const MailboxPointer& mailbox, Job then);
  /// The server has refused what its rights seemed to allow: asks again, in the background.
  void ask_again(const MailboxPointer& mailbox);
  /// The same if `result` is such a refusal; `mailbox` may be null.
  void after_change(const MailboxPointer& mailbox, const Result<void>& result);

 private:
  void ask(const MailboxPointer& mailbox, imap::Priority priority, Job then);

  Server& server_;
};

}  // namespace imapfs::sync
