#include "sync/tree/tree_paths.hpp"

namespace imapfs::sync {

bool lies_within(const MailboxTree& tree, MailboxId id, MailboxId ancestor) {
  while (id.value != 0 && id != ancestor) {
    const auto* node = tree.find(id);
    if (node == nullptr) return false;
    id = node->parent;
  }
  return id == ancestor;
}

std::string path_below(const MailboxNode& parent, const std::string& component) {
  return parent.path.empty() ? component : parent.path + "/" + component;
}

}  // namespace imapfs::sync
