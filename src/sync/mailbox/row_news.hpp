#pragma once
// Decides what to announce when a message comes, goes, or moves to .deleted or back, and which other messages are
// renamed by that.
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

  /// `ours`: our command brought the message.
  void added(Uid uid, bool ours);
  void moved(Uid uid, MessageTable::Place before, std::string name_before);
  void removed(WritableMessageTable::Removed removed);

  /// Listed messages and their present names, which may change when another message comes, goes or is given a name.
  using Rivals = std::map<Uid, std::string>;
  /// Messages, other than `uids`, whose names depend on the given names of `uids`.
  [[nodiscard]] Rivals rivals_of(const UidSet& uids) const;
  /// As above, for one message; `new_name` is about to be given to it.
  [[nodiscard]] Rivals rivals_of(Uid uid, const std::string& new_name = {}) const;
  /// Announces those of `before` that have other names by now.
  void renamed(const Rivals& before);

 private:
  using Place = MessageTable::Place;

  void add_rivals(Rivals& rivals, const std::string& name) const;

  const MessageTable& table_;
  MailboxNews& news_;
  MailboxRecord& record_;
};

}  // namespace imapfs::sync
