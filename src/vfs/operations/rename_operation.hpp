#pragma once
// rename(2): a name within a mailbox is ours to give; from one mailbox to another it is a move on the server; of a
// staged file it may be what uploads it; out of .deleted it takes the message back; of a mailbox it is RENAME. Local
// directories take files that are here only: EXDEV for a message, so that tools copy it.
//
// Any thread; replies when the account has accepted the change (staged files: when they are uploaded, or queued where
// that takes too long), with no lock held.

#include "vfs/operations/name_lookup.hpp"
#include "vfs/operations/pending_moves.hpp"
#include "vfs/staging/staging.hpp"
#include "vfs/views/message_reader.hpp"
#include "vfs/views/view_dependencies.hpp"

namespace imapfs::vfs {

class RenameOperation {
 public:
  /// All but `dependencies` outlive this.
  RenameOperation(const ViewDependencies& dependencies, const NameLookup& names, PendingMoves& pending_moves,
                  MessageReader& messages)
      : dependencies_(dependencies), names_(names), pending_moves_(pending_moves), messages_(messages) {}

  struct Directories {
    Node from;
    Node to;
  };
  /// Whatever has to wait (for a message that is on its way, for bytes that a reader is promised) waits at most as
  /// long as the caller does, and nothing is done after that.
  void rename(const Caller& caller, const Directories& directories, const RenameRequest& request, Reply<void> reply);

 private:
  struct Operation;
  using OperationPtr = std::shared_ptr<const Operation>;

  void with_quiet_target(const std::shared_ptr<Operation>& operation);
  void resolved(const OperationPtr& operation);
  void rename_directory(const OperationPtr& operation);
  void move_to_local_directory(const OperationPtr& operation);
  void rename_mailbox(const OperationPtr& operation);
  void rename_staged(const OperationPtr& operation);
  void rename_message(const OperationPtr& operation);
  void give_name(const OperationPtr& operation, const NamedFile& message);
  void give_name(const OperationPtr& operation, const NamedFile& message, const MessageLocation& replaces);
  /// Another message has the name of the target.
  void replaced(const Operation& operation) const;
  void name_left(const Operation& operation, const NamedFile& message, const std::string& backup) const;
  void name_given(const Operation& operation, const NamedFile& message) const;
  void move(const OperationPtr& operation, const NamedFile& message);
  void move(const OperationPtr& operation, const NamedFile& message, const sync::ArrivalTarget& target,
            const Staging::Hold& hold);
  void restore(const OperationPtr& operation);
  void with_free_target(const OperationPtr& operation,
                        const std::function<void(const MessageLocation& replaces)>& then);
  [[nodiscard]] Result<void> check(const Operation& operation) const;
  [[nodiscard]] Result<void> check_target_mailbox(const Operation& operation) const;
  [[nodiscard]] bool holds_something(MailboxId mailbox) const;

  const ViewDependencies dependencies_;
  const NameLookup& names_;
  PendingMoves& pending_moves_;
  MessageReader& messages_;
};

}  // namespace imapfs::vfs
