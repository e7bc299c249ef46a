#pragma once
// Who looks after the list of mailboxes, as seen by those who hear of it on the way: implemented by the tree.
//
// Any thread; both return at once.

namespace imapfs::sync {

class MailboxListListener {
 public:
  virtual ~MailboxListListener() = default;
  /// A mailbox that is listed is not there.
  virtual void on_mailbox_missing() = 0;
  /// The server has said that the list has changed: some say so with every command.
  virtual void on_mailbox_list_changed() = 0;
};

}  // namespace imapfs::sync
