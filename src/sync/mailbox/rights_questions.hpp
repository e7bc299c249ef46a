#pragma once
// When to ask the server for our rights in a mailbox (RFC 4314 MYRIGHTS): before the first change of a mailbox that was
// never listed, and after a refusal that contradicts the known rights.
//
// If the server cannot be asked, everything counts as allowed; the server decides in the end. Any thread; no lock.

#include "sync/mailbox/mailbox.hpp"
#include "sync/server.hpp"

namespace imapfs::sync {

class RightsQuestions {
 public:
  explicit RightsQuestions(Server& server) : server_(server) {}

  /// Calls `then` when the rights have been asked for: at once if they are known, cannot be asked for, or `mailbox` is
  /// null.
  void with_rights(const MailboxPointer& mailbox, Job then);
  /// The server has refused what its rights seemed to allow: asks again in the background.
  void ask_again(const MailboxPointer& mailbox);
  /// Calls ask_again() if `result` is such a refusal; `mailbox` may be null.
  void after_change(const MailboxPointer& mailbox, const Result<void>& result);

 private:
  void ask(const MailboxPointer& mailbox, imap::Priority priority, Job then);

  Server& server_;
};

}  // namespace imapfs::sync
