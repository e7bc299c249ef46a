#pragma once
// Changes of the mailbox tree. The caller waits for the server.
//
// Offline: EHOSTUNREACH. What rights forbid: EACCES or EROFS. Threads and completions: as in account.hpp.

#include <string>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::sync {

class MailboxChanger {
 public:
  virtual ~MailboxChanger() = default;

  /// CREATE and SUBSCRIBE below `parent` (0: the root); the tree shows it before `done`.
  virtual void create(MailboxId parent, const std::string& component, Completion<MailboxId> done) = 0;
  /// DELETE, after the server was asked whether it holds messages or children: ENOTEMPTY. INBOX: EBUSY. Messages that
  /// were removed through this mount, the last of them within the minute before, go with it: to the trash, or for good
  /// where there is none. A level without a mailbox of its own that has lost its last child to our user is kept until
  /// it is removed here.
  virtual void remove(MailboxId mailbox, Completion<void> done) = 0;
  /// RENAME with its children; ids of mailboxes stay what they are while this process lives. INBOX: EBUSY.
  virtual void rename(MailboxId mailbox, MailboxId new_parent, const std::string& new_component,
                      Completion<void> done) = 0;
};

}  // namespace imapfs::sync
