#pragma once
// rename(2): a name within a mailbox is ours to give; from one mailbox to another it is a move on the server; of a
// staged file it may be what uploads it; out of .deleted it takes the message back; of a directory it is RENAME (design
// §1.4).
//
// Any thread; replies when the account has accepted the change (staged files: when they are uploaded), with no lock
// held.

#include "arrivals.hpp"
#include "directory_listing.hpp"
#include "imapfs/vfs/change_publisher.hpp"
#include "named_file.hpp"
#include "views/message.hpp"

namespace imapfs::vfs {

class Renaming {
 public:
  /// All but `context` outlive this.
  Renaming(const ViewContext& context, ChangePublisher& publisher, const NamedFiles& named, Arrivals& arrivals,
           MessageView& messages)
      : context_(context), publisher_(publisher), named_(named), arrivals_(arrivals), messages_(messages) {}

  void rename(const Node& parent, const Node& new_parent, const RenameRequest& request, Reply<void> reply);

 private:
  struct Operation;
  using OperationPtr = std::shared_ptr<const Operation>;

  void resolved(const OperationPtr& operation);
  void rename_mailbox(const OperationPtr& operation);
  void rename_staged(const OperationPtr& operation);
  void rename_message(const OperationPtr& operation);
  void give_name(const OperationPtr& operation, const NamedFile& message);
  void give_name(const OperationPtr& operation, const NamedFile& message, const MessageLocation& replaces);
  void name_left(const Operation& operation, const NamedFile& message, const std::string& backup) const;
  void move(const OperationPtr& operation, const NamedFile& message);
  void restore(const OperationPtr& operation);
  void with_free_target(const OperationPtr& operation, std::function<void(const MessageLocation& replaces)> then);
  [[nodiscard]] Result<void> check(const Operation& operation) const;
  [[nodiscard]] Result<void> check_target_mailbox(const Operation& operation) const;
  [[nodiscard]] bool holds_something(MailboxId mailbox) const;

  const ViewContext context_;
  ChangePublisher& publisher_;
  const NamedFiles& named_;
  Arrivals& arrivals_;
  MessageView& messages_;
};

}  // namespace imapfs::vfs
