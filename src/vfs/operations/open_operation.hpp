#pragma once
// open(2) and creat(2): whether a file is read from its view or from staging, and what is to be known of a message
// before a new version of it is written.
//
// Any thread; never blocks, replies with no lock held.

#include <string>

#include "vfs/news/kernel_publisher.hpp"
#include "vfs/staging/staging.hpp"
#include "vfs/views/node_views.hpp"

namespace imapfs::vfs {

class OpenOperation {
 public:
  /// All but `dependencies` outlive this.
  OpenOperation(const ViewDependencies& dependencies, NodeViews& views, KernelPublisher& kernel)
      : dependencies_(dependencies), views_(views), kernel_(kernel) {}

  void open(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply);
  void open_for_writing(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply);
  void create(const Caller& caller, NodeId parent, const std::string& name, Reply<CreateResult> reply);

 private:
  void open_staged(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply);
  void opened_message(NodeId node, Result<OpenResult> opened, const Reply<OpenResult>& reply);
  void with_original(NodeId node, Completion<Staging::Original> done);
  void describe_original(const Node& node, Completion<Staging::Original> done);
  void create_in_tree(const Caller& caller, const NodeMeaning& directory, const std::string& name,
                      Reply<CreateResult> reply);
  void create_or_open(const Caller& caller, MailboxId directory, const std::string& name,
                      Result<std::optional<NodeId>> existing, Reply<CreateResult> reply);
  void open_existing(const Caller& caller, NodeId node, Reply<CreateResult> reply);
  [[nodiscard]] Result<std::optional<NodeId>> find_in_mailbox(const sync::MailboxNode& mailbox,
                                                              const sync::MessageTable& table,
                                                              const std::string& name) const;
  [[nodiscard]] Result<std::optional<NodeId>> find_in_local_directory(MailboxId directory,
                                                                      const std::string& name) const;

  const ViewDependencies dependencies_;
  NodeViews& views_;
  KernelPublisher& kernel_;
};

}  // namespace imapfs::vfs
