#pragma once
// How a message is removed: what on-delete= means on this server, in this mailbox.
//
// Pure functions and RemovalPlanner, which asks for the tree and the capabilities of the moment. Any thread; no locks.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sync/changes/change_kinds.hpp"

namespace imapfs::sync {

enum class Removal : std::uint8_t { flag, trash, expunge };
[[nodiscard]] std::string to_string(Removal removal);
/// Of JournalChange::removal; nothing for what no version has written.
[[nodiscard]] std::optional<Removal> removal_from_string(std::string_view text);

/// Where a server puts what is removed (RFC 6154); empty if it has no such place.
[[nodiscard]] std::string trash_mailbox(const MailboxTree& tree);

/// What on-delete= means for a message of `mailbox`: `trash` is the trash mailbox or empty. Flagging does not delete
/// where labels are meant by mailboxes (X-GM-EXT-1). What is in the trash already is expunged where the server can
/// (UIDPLUS); that, and what has no trash to go to, is flagged otherwise. EOPNOTSUPP where expunging was asked for and
/// the server cannot.
[[nodiscard]] Result<Removal> plan_removal(RemovalPolicy policy, const imap::Capabilities& capabilities,
                                           const std::string& mailbox, const std::string& trash);
/// Makes `change`, which has a source, the removal of it.
void set_removal(store::JournalChange& change, Removal removal, const std::string& trash);

class RemovalPlanner {
 public:
  using Tree = std::function<std::shared_ptr<const MailboxTree>()>;
  RemovalPlanner(RemovalPolicy policy, Tree tree, std::function<imap::Capabilities()> capabilities);

  /// As plan_removal().
  [[nodiscard]] Result<Removal> plan(const std::string& mailbox) const;
  [[nodiscard]] std::string trash() const { return trash_mailbox(*tree_()); }
  /// What `change` replaces is to be removed by the policy of now. As a flag, where that cannot be.
  void plan_replacement(store::JournalChange& change) const;

 private:
  const RemovalPolicy policy_;
  const Tree tree_;
  const std::function<imap::Capabilities()> capabilities_;
};

}  // namespace imapfs::sync
