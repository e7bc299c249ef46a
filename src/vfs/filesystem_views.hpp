#pragma once
// The views of a Filesystem and which of them answers for a node. A new view is registered here.

#include "directory_listing.hpp"
#include "imapfs/vfs/filesystem.hpp"
#include "views/account_root.hpp"
#include "views/control.hpp"
#include "views/mailbox.hpp"
#include "views/message.hpp"

namespace imapfs::vfs {

struct Filesystem::Views {
  Views(const ViewContext& context, EventLog& events)
      : control(context, events), root(context, control), mailbox(context), message(context) {}

  [[nodiscard]] View* find(const DecodedNode& meaning) {
    switch (meaning.kind) {
      case NodeKind::fixed:
        if (meaning.index == static_cast<std::uint32_t>(FixedNode::root)) return &root;
        return &control;
      case NodeKind::mailbox:
        return &mailbox;
      case NodeKind::message:
        return &message;
      case NodeKind::search:
      case NodeKind::text:
      case NodeKind::parts:
      case NodeKind::deleted:
      case NodeKind::staged:
        break;
    }
    return nullptr;
  }

  ControlView control;
  AccountRootView root;
  MailboxView mailbox;
  MessageView message;
};

struct Filesystem::Target {
  View* view;
  Node node;
};

}  // namespace imapfs::vfs
