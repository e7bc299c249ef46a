#pragma once
// Flags set by our user: refused where rights or PERMANENTFLAGS forbid it, stored by UID STORE otherwise, and shown.
//
// Nothing is journalled: the caller waits for the server. Changes that were accepted for the message before come first.
// Errors: EACCES, EROFS, EPERM, ESTALE (another UIDVALIDITY), and those of the session. Any thread; no lock.

#include "sync/changes/changes.hpp"
#include "sync/mailbox/mailbox.hpp"
#include "sync/mailbox/rights_questions.hpp"
#include "sync/server.hpp"

namespace imapfs::sync {

class FlagSetter {
 public:
  FlagSetter(Server& server, RightsQuestions& rights, Changes& changes)
      : server_(server), rights_(rights), changes_(changes) {}

  void set(const MailboxPointer& mailbox, const MessageLocation& message, const FlagChange& change,
           Completion<void> done);

 private:
  void store(const MailboxPointer& mailbox, const MessageLocation& message, const FlagChange& change,
             Completion<void> done);
  void stored(const MailboxPointer& mailbox, const MessageLocation& message, const FlagChange& change,
              const Result<void>& result);

  Server& server_;
  RightsQuestions& rights_;
  Changes& changes_;
};

}  // namespace imapfs::sync
