#pragma once
// Messages and mailboxes by the words of both sides: the file system's, which go by the ids of a tree, and the
// journal's, which go by the server's names.
//
// Any thread; no locks of its own.

#include <functional>
#include <string>

#include "sync/changes/change_kinds.hpp"
#include "sync/changes/pending_change.hpp"

namespace imapfs::sync {

class Locations {
 public:
  using ById = std::function<MailboxPointer(MailboxId)>;
  using ByName = std::function<MailboxPointer(const std::string& name)>;
  Locations(ById by_id, ByName by_name);

  /// Null if there is no such mailbox.
  [[nodiscard]] MailboxPointer mailbox(MailboxId id) const { return by_id_(id); }
  [[nodiscard]] MailboxPointer mailbox(const std::string& name) const { return by_name_(name); }
  /// 0 if there is no such mailbox.
  [[nodiscard]] MailboxId id_of(const std::string& name) const;

  /// Uid 0 for no message, and for one of a mailbox that is not there.
  [[nodiscard]] store::JournalLocation to_journal(const MessageLocation& location) const;
  [[nodiscard]] MessageLocation from_journal(const store::JournalLocation& location) const;
  /// Where the message of `change` is now, and what it is called there.
  [[nodiscard]] Arrival arrival_of(const store::JournalChange& change, const store::JournalLocation& arrived) const;
  /// Fills in what is known of the source: for people, and to recognise it by.
  void describe(PendingChange& pending) const;

 private:
  const ById by_id_;
  const ByName by_name_;
};

}  // namespace imapfs::sync
