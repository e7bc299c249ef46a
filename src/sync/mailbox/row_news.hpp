#pragma once
// What is news for whom when a message comes, goes, moves to .deleted or back, and who has another name by that.
//
// With the mailbox's lock held (MailboxNews::lock). Refers to the other parts of its MailboxReplica.

#include <map>
#include <string>

#include "sync/mailbox/mailbox_record.hpp"

namespace imapfs::sync {

class RowNews {
 public:
  RowNews(const MessageTable& table, MailboxNews& news, MailboxRecord& record)
      : table_(table), news_(news), record_(record) {}

  /// `ours`: a command of ours has brought it.
  void added(Uid uid, bool ours);
  void moved(Uid uid, MessageTable::Place before, std::string name_before);
  void removed(WritableMessageTable::Removed removed);

  /// Listed messages by the names they had, which may have others once a message comes, goes or is given a name.
  using Rivals = std::map<Uid, std::string>;
  /// Those, other than `uids`, whose names depend on the given names of these.
  [[nodiscard]] Rivals rivals_of(const UidSet& uids) const;
  /// The same for one; `new_name` is what it is about to be given.
  [[nodiscard]] Rivals rivals_of(Uid uid, const std::string& new_name = {}) const;
  /// The news of those that have other names by now.
  void renamed(const Rivals& before);

 private:
  using Place = MessageTable::Place;

  void add_rivals(Rivals& rivals, const std::string& name) const;

  const MessageTable& table_;
  MailboxNews& news_;
  MailboxRecord& record_;
};

}  // namespace imapfs::sync
