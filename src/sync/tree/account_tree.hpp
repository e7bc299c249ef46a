#pragma once
// The account's directories as they are shown, and how a listing becomes the next tree: ids are kept, mailboxes come
// and go with their directories, the index gets the list, and the listener hears of the difference.
//
// A level whose last child our user has taken away stays until he removes it, whatever the server makes of it.
//
// Reading: any thread. Adopting, moving and forgetting: whoever has the tree to himself (tree_sync.hpp), and the start.
// One lock, a leaf. The dependencies outlive the object.

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

/// Directories that came or went by a change of ours: at this path and below.
struct OurPaths {
  std::optional<std::string> removed;
  std::optional<std::string> added;
  bool kernel_is_told = false;  ///< it may not know of them though they are ours
};

class AccountTree {
 public:
  struct Dependencies {
    const std::string& account;  ///< "user@host": seeds ids and inodes
    Mailboxes& mailboxes;
    StoreWriter& store;
    ChangeListener& listener;
  };

  explicit AccountTree(Dependencies dependencies);
  AccountTree(const AccountTree&) = delete;
  AccountTree& operator=(const AccountTree&) = delete;

  [[nodiscard]] std::shared_ptr<const MailboxTree> tree() const;
  [[nodiscard]] std::vector<imap::Namespace> namespaces() const;
  /// Wire names of the mailboxes.
  [[nodiscard]] std::vector<imap::WireName> mailbox_names() const;
  /// The tree as the listing that it was made of.
  [[nodiscard]] Listing listing() const;

  /// At the start: nobody is told, and the store is read.
  void adopt_first(const Listing& listing);
  void adopt(const Listing& listing, const OurPaths& ours = {});
  /// Those that the server has, or that a mailbox of it lies below, need not be kept: whoever takes them away, takes
  /// them away.
  void drop_levels_of(const Listing& listing);
  void forget_level(const imap::WireName& level);
  /// What is below `directory` keeps its ids under the new path, and kept levels get their new names. Before the
  /// listing is adopted that shows it.
  void move(const MailboxNode& directory, const std::string& new_path, const ServerName& from, const ServerName& to);

 private:
  struct State {
    std::shared_ptr<const MailboxTree> tree;
    MailboxTree::KeptIds kept_ids;
    std::map<imap::WireName, imap::ListedMailbox> levels;  ///< that are kept
    std::vector<imap::Namespace> namespaces;
  };

  void replace(const Listing& listing);
  void keep_levels_above(const MailboxTree& tree, const std::string& path, const Listing& left);

  const Dependencies dependencies_;
  Guarded<State> state_;
};

}  // namespace imapfs::sync
