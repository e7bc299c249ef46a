#include "sync/changes/removal_policy.hpp"

#include <utility>

namespace imapfs::sync {

using Kind = store::JournalChange::Kind;

std::string trash_mailbox(const MailboxTree& tree) {
  for (const auto& [id, node] : tree.nodes())
    if (node.special_use == SpecialUse::trash && node.selectable) return node.name;
  return {};
}

std::string to_string(Removal removal) {
  switch (removal) {
    case Removal::flag: return "flag";
    case Removal::trash: return "trash";
    case Removal::expunge: return "expunge";
  }
  return "flag";
}

std::optional<Removal> removal_from_string(std::string_view text) {
  if (text == "flag") return Removal::flag;
  if (text == "trash") return Removal::trash;
  if (text == "expunge") return Removal::expunge;
  return std::nullopt;
}

Result<Removal> plan_removal(RemovalPolicy policy, const imap::Capabilities& capabilities, const std::string& mailbox,
                             const std::string& trash) {
  const bool can_expunge = capabilities.has("UIDPLUS");
  if (policy == RemovalPolicy::automatic)
    policy = capabilities.has("X-GM-EXT-1") ? RemovalPolicy::trash : RemovalPolicy::flag;
  switch (policy) {
    case RemovalPolicy::expunge:
      if (!can_expunge) return fail(EOPNOTSUPP, "the server cannot expunge single messages (no UIDPLUS)");
      return Removal::expunge;
    case RemovalPolicy::trash:
      if (!trash.empty() && trash != mailbox) return Removal::trash;
      // Removed from the trash is removed; without a trash the message stays within reach.
      return !trash.empty() && can_expunge ? Removal::expunge : Removal::flag;
    case RemovalPolicy::automatic:
    case RemovalPolicy::flag: break;
  }
  return Removal::flag;
}

void set_removal(store::JournalChange& change, Removal removal, const std::string& trash) {
  change.removal = to_string(removal);
  if (removal == Removal::expunge) {
    change.kind = Kind::expunge;
  } else if (removal == Removal::trash && !trash.empty() && trash != change.source.mailbox) {
    change.kind = Kind::move;
    change.destination = trash;
  } else {
    change.kind = Kind::flag;
    change.flags = deleted_flag(FlagChange::Kind::add);
  }
}

RemovalPlanner::RemovalPlanner(RemovalPolicy policy, Tree tree, std::function<imap::Capabilities()> capabilities)
    : policy_(policy), tree_(std::move(tree)), capabilities_(std::move(capabilities)) {}

Result<Removal> RemovalPlanner::plan(const std::string& mailbox) const {
  return plan_removal(policy_, capabilities_(), mailbox, trash());
}

void RemovalPlanner::plan_replacement(store::JournalChange& change) const {
  if (change.replaces.uid.value == 0) return;
  const auto removal = plan(change.replaces.mailbox);
  change.removal = to_string(removal ? *removal : Removal::flag);
}

}  // namespace imapfs::sync
