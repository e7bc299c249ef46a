#pragma once
// Implemented by the tree, which maintains the list of mailboxes; called by whoever learns of a change of it.
//
// Any thread; both functions return at once.

namespace imapfs::sync {

class MailboxListListener {
 public:
  virtual ~MailboxListListener() = default;
  /// A listed mailbox does not exist.
  virtual void on_mailbox_missing() = 0;
  /// The server has reported a change of the list; some servers do so with every command.
  virtual void on_mailbox_list_changed() = 0;
};

}  // namespace imapfs::sync
