#pragma once
// CREATE, DELETE and RENAME, carried out so that an answer that was lost does no harm.
//
// Each object is one change. run() may be called again on another session after an Error with Retry::now: an Error of
// scope session in mid-command means that the outcome is unknown, so the next run() looks at the server (LIST, STATUS)
// before it says anything twice. What was found done counts as done: nobody can tell whether it was done by us, and the
// user has what he wanted. One thread at a time; blocks within the CallContext. Other Errors are the server's refusals,
// or what is said at each class.

#include <optional>
#include <string>

#include "imapfs/imap/session.hpp"
#include "sync/tree/server_names.hpp"

namespace imapfs::sync {

/// What is known of the fate of a command.
class SentCommand {
 public:
  /// run() begins: what was sent before has lost its answer.
  void begin() { lost_ = lost_ || sent_; }
  void send() { sent_ = true; }
  /// An Error of run() does not say whether the server has carried it out.
  [[nodiscard]] bool sent() const { return sent_; }
  /// An answer was lost on the way.
  [[nodiscard]] bool lost() const { return lost_; }

 private:
  bool sent_ = false;
  bool lost_ = false;
};

/// CREATE and SUBSCRIBE. A subscription that is refused does not matter.
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

/// DELETE and UNSUBSCRIBE of a mailbox that the server says is empty: ENOTEMPTY if it holds messages, flagged \Deleted
/// or not, or children. A level that is no mailbox (`selectable` false) and is gone already is removed; a mailbox is
/// ENOENT. A message that comes between the question and DELETE is lost, as with any client: IMAP has no DELETE that
/// looks.
class MailboxRemoval {
 public:
  MailboxRemoval(ServerName name, bool selectable) : name_(std::move(name)), selectable_(selectable) {}
  Result<void> run(imap::Session& session, const CallContext& context);
  /// What STATUS said was left when run() failed with ENOTEMPTY; 0: children.
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

/// RENAME. A mailbox that has the new name already, and is empty, makes way first, as rename(2) wants it.
class MailboxRenaming {
 public:
  MailboxRenaming(ServerName from, ServerName to, bool selectable)
      : from_(std::move(from)), to_(std::move(to)), selectable_(selectable) {}
  void replace(bool target_selectable) { target_.emplace(to_, target_selectable); }
  Result<void> run(imap::Session& session, const CallContext& context);
  /// Of RENAME itself, or of what makes way for it.
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
