#pragma once
// Carries out changes of one kind, of messages of one mailbox, by as few commands as there are; or finds out what
// commands have done whose answer was lost.
//
// Each item ends with an outcome. What has none when run() returns is judged by run()'s Error: not sent, refused, or
// unknown. Runs on a pool's thread with a session of its own, and is looked at before and after on the thread
// "journal"; no locks.

#include <memory>

#include "sync/changes/copy_or_move.hpp"

namespace imapfs::sync {

class ChangeBatch {
 public:
  /// Of a batch that brings messages `guard` may be one that an earlier batch has left.
  struct Contents {
    BatchItems items;  ///< one at least
    bool look_up = false;
    MailboxPointer source;       ///< null for appends
    MailboxPointer destination;  ///< null for those that bring nothing
    std::shared_ptr<ArrivalGuard> guard;
  };
  ChangeBatch(Contents contents, const CommandDependencies& dependencies);

  /// May be called again after an Error of scope session with Retry::now: nothing was sent then.
  Result<void> run(imap::Session& session, const CallContext& context);

  [[nodiscard]] const BatchItems& items() const { return items_; }
  [[nodiscard]] const store::JournalChange& first() const { return items_.front().change; }
  [[nodiscard]] bool look_up() const { return look_up_; }
  /// Where its commands are sent.
  [[nodiscard]] const MailboxPointer& mailbox() const { return source_ ? source_ : destination_; }
  /// A command was sent that cannot simply be sent again.
  [[nodiscard]] bool sent() const { return progress_.sent; }
  [[nodiscard]] bool used_move() const { return progress_.used_move; }
  [[nodiscard]] const std::shared_ptr<ArrivalGuard>& guard() const { return progress_.guard; }
  [[nodiscard]] std::shared_ptr<ArrivalGuard> take_guard() { return std::move(progress_.guard); }

 private:
  Result<void> carry_out(imap::Session& session, const CallContext& context);
  Result<void> store_flags(imap::Session& session, const CallContext& context);
  Result<void> expunge(imap::Session& session, const CallContext& context);
  Result<void> copy_or_move(imap::Session& session, const CallContext& context);

  BatchItems items_;
  const bool look_up_;
  const MailboxPointer source_;
  const MailboxPointer destination_;
  const CommandDependencies& dependencies_;
  BatchProgress progress_;
};

}  // namespace imapfs::sync
