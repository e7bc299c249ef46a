#pragma once
// CREATE, DELETE and RENAME, done so that a lost answer does no harm.
//
// Each object is one change. After an Error with Retry::now, run() may be called again on another session: a connection
// lost during the command means that the outcome is unknown, so the next run() looks at the server (LIST, STATUS)
// before it repeats anything. A change that is found done counts as done: nobody can tell whether we did it, and the
// user has what he wanted. One thread at a time; blocks within the CallContext. Other Errors are the server's refusals,
// or stated at each class.

#include <optional>
#include <string>

#include "imapfs/imap/session.hpp"
#include "sync/tree/server_names.hpp"

namespace imapfs::sync {

/// How far a command has come.
class SentCommand {
 public:
  /// run() begins: if the command was sent before, its answer was lost.
  void begin() { lost_ = lost_ || sent_; }
  void send() { sent_ = true; }
  /// The command was sent: an Error of run() does not tell whether the server has carried it out.
  [[nodiscard]] bool sent() const { return sent_; }
  /// An answer was lost.
  [[nodiscard]] bool lost() const { return lost_; }

 private:
  bool sent_ = false;
  bool lost_ = false;
};

/// CREATE and SUBSCRIBE. A refused subscription does not matter.
class MailboxCreation {
 public:
  explicit MailboxCreation(ServerName name) : name_(std::move(name)) {}
  Result<void> run(imap::Session& session, const CallContext& context);
  [[nodiscard]] const SentCommand& command() const { return command_; }

 private:
  const ServerName name_;
  SentCommand command_;
  bool created_ = false;
};

/// DELETE and UNSUBSCRIBE of a mailbox that is empty by the server's word. ENOTEMPTY if it has children or messages,
/// flagged \Deleted or not. ENOENT for a mailbox that is gone; a mere level (`selectable` false) that is gone counts as
/// removed. A message that arrives between the check and DELETE is lost, as with any client: IMAP has no conditional
/// DELETE.
class MailboxRemoval {
 public:
  MailboxRemoval(ServerName name, bool selectable) : name_(std::move(name)), selectable_(selectable) {}
  Result<void> run(imap::Session& session, const CallContext& context);
  /// The number of messages in STATUS when run() failed with ENOTEMPTY; 0: it has children.
  [[nodiscard]] std::uint32_t messages_left() const { return messages_left_; }
  [[nodiscard]] const SentCommand& command() const { return command_; }

 private:
  Result<void> look(imap::Session& session, const CallContext& context);

  const ServerName name_;
  const bool selectable_;
  SentCommand command_;
  bool gone_ = false;
  std::uint32_t messages_left_ = 0;
};

/// RENAME. An empty mailbox that has the new name already is removed first, as rename(2) requires.
class MailboxRenaming {
 public:
  MailboxRenaming(ServerName from, ServerName to, bool selectable)
      : from_(std::move(from)), to_(std::move(to)), selectable_(selectable) {}
  void replace(bool target_selectable) { target_.emplace(to_, target_selectable); }
  Result<void> run(imap::Session& session, const CallContext& context);
  /// Of RENAME itself, or of the removal before it.
  [[nodiscard]] bool sent() const { return command_.sent() || (target_ && target_->command().sent()); }
  [[nodiscard]] bool lost() const { return command_.lost() || (target_ && target_->command().lost()); }

 private:
  Result<bool> was_carried_out(imap::Session& session, const CallContext& context) const;

  const ServerName from_;
  const ServerName to_;
  const bool selectable_;
  std::optional<MailboxRemoval> target_;
  SentCommand command_;
};

}  // namespace imapfs::sync
