#pragma once
// The mailboxes of a fake account as a tree, from their paths. Thread-safe.

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "imapfs/sync/mailbox_tree.hpp"

namespace imapfs::testing {

class FakeTree {
 public:
  /// See replace().
  explicit FakeTree(const std::vector<std::string>& mailboxes) { replace(mailboxes); }

  [[nodiscard]] const std::string& account_name() const { return account_name_; }
  /// Replaces the tree; "name/" is a directory without messages. Returns what differs from the tree before.
  sync::TreeChange replace(const std::vector<std::string>& mailboxes) {
    std::vector<imap::ListedMailbox> listed;
    for (const auto& path : mailboxes) listed.push_back(listed_at(path));
    const imap::Namespace personal{imap::Namespace::Kind::personal, "", "", '/'};
    auto built = sync::MailboxTree::build(account_name_, {personal}, listed);
    const std::lock_guard guard(mutex_);
    paths_ = mailboxes;
    auto change = tree_ ? sync::difference(*tree_, *built) : sync::TreeChange{};
    tree_ = std::move(built);
    return change;
  }
  [[nodiscard]] std::shared_ptr<const sync::MailboxTree> snapshot() const {
    const std::lock_guard guard(mutex_);
    return tree_;
  }
  /// As given to replace().
  [[nodiscard]] std::vector<std::string> paths() const {
    const std::lock_guard guard(mutex_);
    return paths_;
  }
  /// 0: there is none.
  [[nodiscard]] MailboxId id(const std::string& path) const {
    const auto tree = snapshot();
    const auto* node = tree->find_path(path);
    return node ? node->id : MailboxId{0};
  }
  /// Where `component` is in `parent`; empty: where `parent` is.
  [[nodiscard]] std::string path_below(MailboxId parent, const std::string& component) const {
    const auto tree = snapshot();
    const auto* node = tree->find(parent);
    const std::string path = node ? node->path : "?";
    return path.empty() || component.empty() ? path + component : path + "/" + component;
  }

 private:
  static imap::ListedMailbox listed_at(const std::string& path) {
    imap::ListedMailbox mailbox;
    mailbox.selectable = path.back() != '/';
    mailbox.name = mailbox.selectable ? path : path.substr(0, path.size() - 1);
    mailbox.wire_name = mailbox.name;
    mailbox.delimiter = '/';
    if (mailbox.name == "Sent") mailbox.special_use = SpecialUse::sent;
    if (mailbox.name == "Trash") mailbox.special_use = SpecialUse::trash;
    mailbox.status.unseen = 3;
    return mailbox;
  }

  const std::string account_name_ = "anna@mail.example.org";
  mutable std::mutex mutex_;
  std::shared_ptr<const sync::MailboxTree> tree_;
  std::vector<std::string> paths_;
};

}  // namespace imapfs::testing
