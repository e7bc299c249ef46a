#pragma once
// The account's directories as users see them, and how a listing becomes the next tree. Ids are kept, mailboxes come
// and go with their directories, the index stores the list, and the listener is told the difference.
//
// A level stays when our user has removed its last child, until the user removes the level, whatever the server does
// with it.
//
// Reading: any thread. Adopting, moving and forgetting: only the holder of the tree (tree_sync.hpp), and the start. One
// lock, a leaf. The dependencies outlive the object.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/sync/change_listener.hpp"
#include "imapfs/sync/mailbox_tree.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/store_writer.hpp"
#include "sync/tree/listing.hpp"

namespace imapfs::sync {

/// Directories that came or went by our own change: those at this path and below.
struct OurPaths {
  std::optional<std::string> removed;
  std::optional<std::string> added;
  bool kernel_is_told = false;  ///< tell the kernel of them although they are ours: it may not know them
};

class AccountTree {
 public:
  struct Dependencies {
    const std::string& account;  ///< "user@host": ids and inode numbers are derived from it
    Mailboxes& mailboxes;
    StoreWriter& store;
    ChangeListener& listener;
  };

  explicit AccountTree(Dependencies dependencies);
  AccountTree(const AccountTree&) = delete;
  AccountTree& operator=(const AccountTree&) = delete;

  [[nodiscard]] std::shared_ptr<const MailboxTree> tree() const;
  [[nodiscard]] std::vector<imap::Namespace> namespaces() const;
  [[nodiscard]] std::vector<imap::WireName> mailbox_names() const;
  /// The tree as a listing from which it could be built again.
  [[nodiscard]] Listing listing() const;

  /// At the start: the listener is not told, and the store is read.
  void adopt_first(const Listing& listing);
  void adopt(const Listing& listing, const OurPaths& ours = {});
  /// Stops keeping levels that the server has itself, or that have a mailbox of the server below them. From then on
  /// they go when the server no longer lists them.
  void drop_levels_of(const Listing& listing);
  void forget_level(const imap::WireName& level);
  /// What is below `directory` keeps its ids under the new path, and kept levels get their new names. Call it before
  /// the listing with the new names is adopted.
  void move(const MailboxNode& directory, const std::string& new_path, const ServerName& from, const ServerName& to);

 private:
  struct State {
    std::shared_ptr<const MailboxTree> tree;
    MailboxTree::KeptIds kept_ids;
    std::map<imap::WireName, imap::ListedMailbox> levels;  ///< kept levels
    std::vector<imap::Namespace> namespaces;
  };

  void replace(const Listing& listing);
  void keep_levels_above(const MailboxTree& tree, const std::string& path, const Listing& left);

  const Dependencies dependencies_;
  Guarded<State> state_;
};

}  // namespace imapfs::sync
