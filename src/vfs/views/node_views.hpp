#pragma once
// The views of a mount, and which of them answers for a node. A new view is registered here.
//
// Any thread.

#include "vfs/news/event_log.hpp"
#include "vfs/news/kernel_publisher.hpp"
#include "vfs/nodes/node_meaning.hpp"
#include "vfs/views/account_root.hpp"
#include "vfs/views/by_uid.hpp"
#include "vfs/views/control.hpp"
#include "vfs/views/deleted.hpp"
#include "vfs/views/directory_listing.hpp"
#include "vfs/views/local_directory.hpp"
#include "vfs/views/mailbox.hpp"
#include "vfs/views/message.hpp"
#include "vfs/views/outbox.hpp"
#include "vfs/views/staged.hpp"

namespace imapfs::vfs {

class NodeViews {
 public:
  /// `events` and `kernel` outlive this.
  NodeViews(const ViewDependencies& dependencies, EventLog& events, KernelPublisher& kernel);

  struct Target {
    View* view;
    Node node;
  };
  /// The node as it is now. ENOENT for a number that was never given out.
  [[nodiscard]] Result<Target> find(NodeId node);
  /// The node's entry, from its view.
  void entry(NodeId node, Reply<Entry> reply);
  [[nodiscard]] MessageReader& messages() { return message_.reader(); }

 private:
  [[nodiscard]] View& view_of(const NodeMeaning& meaning);

  const NodeResolver& nodes_;
  StagedView staged_;
  OutboxView outbox_;
  ControlView control_;
  AccountRootView root_;
  MailboxView mailbox_;
  MessageView message_;
  DeletedView deleted_;
  ByUidView by_uid_;
  LocalDirectoryView local_directory_;
};

}  // namespace imapfs::vfs
