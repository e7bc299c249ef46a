#pragma once
// The account's mailboxes as directories: an immutable snapshot, replaced as a whole when LIST says something new.
//
// The personal namespace's prefix is stripped; other users' and shared namespaces stand beside it under their prefix's
// first component (disambiguated with "%7E" appended if a personal mailbox has the same name). Levels the server does
// not list but that have children are directories that hold no messages. So are levels that neither the server lists
// nor a mailbox below implies, as long as the account keeps them. Ids are stable (model/identity.hpp), assigned in path
// order. Any thread.
//
// What LIST says is not trusted: duplicates are merged, two names that would be one component are told apart by "%7E",
// a component longer than 255 bytes is cut and gets a hash, and names beyond the bounds of the implementation (4,096
// bytes, 100 levels, 250,000 directories) are left out with a warning.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "imapfs/imap/session.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::sync {

/// Of one level of a mailbox's name, in bytes: what tools expect a name to be at most (NAME_MAX).
inline constexpr std::size_t longest_component = 255;

struct MailboxNode {
  MailboxId id;
  MailboxId parent;       ///< 0: child of the root
  std::string component;  ///< its name in the parent directory
  std::string path;       ///< "Archive/2026": components joined by '/'; empty for the root
  std::string name;       ///< UTF-8 server name; empty for directories that are no mailbox
  imap::WireName wire_name;
  char delimiter = 0;
  bool selectable = false;
  bool kept = false;              ///< a level that is kept here, and that the server does not list
  bool may_have_children = true;  ///< not \Noinferiors
  bool subscribed = false;        ///< as far as LIST says
  SpecialUse special_use = SpecialUse::none;
  MailboxStatus status;  ///< as of LIST
  InodeId inode;
  std::map<std::string, MailboxId, std::less<>> children;  ///< by component
  std::uint64_t children_hash = 0;  ///< of the children's components: differs when a child comes or goes
};

class MailboxTree {
 public:
  /// Ids by path that are not what the path alone would give.
  using KeptIds = std::map<std::string, MailboxId, std::less<>>;

  /// `account` seeds ids and inodes ("user@host"). A path in `kept` has the id given there, unless another path has
  /// been given it before. `levels` are directories without messages that are there whether the server lists them or
  /// not.
  static std::shared_ptr<const MailboxTree> build(const std::string& account,
                                                  const std::vector<imap::Namespace>& namespaces,
                                                  const std::vector<imap::ListedMailbox>& mailboxes,
                                                  const KeptIds& kept = {},
                                                  const std::vector<imap::ListedMailbox>& levels = {});

  /// What build() must be given so that every directory keeps its id in the next tree, too.
  [[nodiscard]] KeptIds ids_to_keep(const std::string& account) const;

  [[nodiscard]] const MailboxNode& root() const { return nodes_.at(MailboxId{0}); }
  [[nodiscard]] const MailboxNode* find(MailboxId id) const;
  /// "Archive/2026" without leading or trailing slash; "" is the root.
  [[nodiscard]] const MailboxNode* find_path(std::string_view path) const;
  /// INBOX in any case.
  [[nodiscard]] const MailboxNode* find_wire_name(const imap::WireName& name) const;
  [[nodiscard]] const std::map<MailboxId, MailboxNode>& nodes() const { return nodes_; }

 private:
  MailboxTree() = default;
  std::map<MailboxId, MailboxNode> nodes_;
  std::unordered_map<imap::WireName, MailboxId> by_wire_name_;
};

/// What differs between two trees, parents before children in `added`, children before parents in `removed`. A
/// directory that became or ceased to be a selectable mailbox, or another mailbox, is in both; a new status or special
/// use is no difference, nor is a level that the server lists or no longer lists.
struct TreeChange {
  std::vector<MailboxNode> added;
  std::vector<MailboxNode> removed;
  /// Came or went by a change made through the mount, which the kernel knows of by itself: for `.imapfs/events` only. A
  /// directory that was renamed, and those below it, are in both, with the same ids.
  std::vector<MailboxNode> added_by_us;
  std::vector<MailboxNode> removed_by_us;
  /// False: the answer to the change was lost or late, so the kernel may not know of it.
  bool kernel_knows_ours = true;
};
TreeChange difference(const MailboxTree& before, const MailboxTree& after);

}  // namespace imapfs::sync
