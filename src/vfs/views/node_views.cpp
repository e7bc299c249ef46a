#include "vfs/views/node_views.hpp"

#include <utility>

namespace imapfs::vfs {

NodeViews::NodeViews(const ViewDependencies& dependencies, EventLog& events, KernelPublisher& kernel)
    : nodes_(dependencies.nodes), staged_(dependencies), outbox_(dependencies, staged_),
      control_(dependencies, events, outbox_), root_(dependencies, control_), mailbox_(dependencies),
      message_(dependencies, kernel), deleted_(dependencies), by_uid_(dependencies), local_directory_(dependencies) {}

View& NodeViews::view_of(const NodeMeaning& meaning) {
  switch (meaning.kind) {
    case NodeMeaning::Kind::mailbox: return mailbox_;
    case NodeMeaning::Kind::deleted: return deleted_;
    case NodeMeaning::Kind::by_uid: return by_uid_;
    case NodeMeaning::Kind::local_directory: return local_directory_;
    case NodeMeaning::Kind::message: return message_;
    // Nothing can be said of one that is read nowhere, as of a file that is not staged any more.
    case NodeMeaning::Kind::pending: return meaning.message.mailbox.value == 0 ? static_cast<View&>(staged_) : message_;
    case NodeMeaning::Kind::staged: return staged_;
    case NodeMeaning::Kind::fixed: break;
  }
  if (meaning.is_root()) return root_;
  return meaning.fixed == FixedNode::outbox ? static_cast<View&>(outbox_) : control_;
}

Result<NodeViews::Target> NodeViews::find(NodeId node) {
  auto meaning = nodes_.resolve(node);
  if (!meaning) return fail(ENOENT, "node {:#x} means nothing", node.value);
  View& view = view_of(*meaning);
  return Target{&view, Node{node, std::move(*meaning)}};
}

void NodeViews::entry(NodeId node, Reply<Entry> reply) {
  auto file = find(node);
  if (!file) return reply(fail(std::move(file).error()));
  file->view->entry(file->node, std::move(reply));
}

}  // namespace imapfs::vfs
