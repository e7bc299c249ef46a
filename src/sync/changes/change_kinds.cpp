#include "sync/changes/change_kinds.hpp"

#include <sstream>

namespace imapfs::sync {

using Kind = store::JournalChange::Kind;

ArrivalGuard::ArrivalGuard(MailboxPointer destination) : destination_(std::move(destination)) {
  destination_->replica.own_changes().begin_arrivals();
}

ArrivalGuard::~ArrivalGuard() {
  destination_->replica.own_changes().end_arrivals(destination_->replica.table()->uid_validity(), {});
  destination_->replica.news().publish();
}

Result<std::optional<imap::SelectedMailbox>> select_read_write(imap::Session& session, const imap::WireName& mailbox,
                                                               const CallContext& context) {
  if (session.selected() == mailbox && !session.selection().read_only) return std::nullopt;
  imap::Session::SelectRequest request;
  request.mailbox = mailbox;
  request.read_write = true;
  return IMAPFS_TRY_WHILE("select", session.select(request, context));
}

FlagSet apply_flags(FlagSet flags, const FlagChange& change) {
  if (change.kind == FlagChange::Kind::replace) return change.flags;
  std::istringstream words(change.flags.to_string());
  for (std::string word; words >> word;) {
    if (change.kind == FlagChange::Kind::add) flags.add(word);
    else flags.remove(word);
  }
  return flags;
}

FlagChange deleted_flag(FlagChange::Kind kind) {
  FlagChange change;
  change.kind = kind;
  change.flags.add(SystemFlag::deleted);
  return change;
}

void take_flag_change(MailboxReplica& replica, const UidSet& uids, const FlagChange& change) {
  for (const auto& range : uids.ranges()) {
    for (std::uint64_t uid = range.first; uid <= range.last; ++uid) {
      const auto known = replica.messages().find(Uid{static_cast<std::uint32_t>(uid)});
      if (!known) continue;
      imap::FetchRow row;
      row.uid = known->uid;
      row.flags = apply_flags(known->flags, change);
      replica.take_flags(row);
    }
  }
}

bool takes_away(const store::JournalChange& change) {
  switch (change.kind) {
    case Kind::move:
    case Kind::expunge: return true;
    case Kind::flag: return change.flags == deleted_flag(FlagChange::Kind::add);
    case Kind::copy:
    case Kind::append: break;
  }
  return false;
}

bool is_restore(const store::JournalChange& change) {
  return change.kind == Kind::flag && change.flags == deleted_flag(FlagChange::Kind::remove);
}

std::string operation_of(const store::JournalChange& change) {
  if (!change.removal.empty() && change.replaces.uid.value == 0) return "remove";
  switch (change.kind) {
    case Kind::flag: return is_restore(change) ? "restore" : takes_away(change) ? "remove" : "flag";
    case Kind::expunge: return "expunge";
    case Kind::move: return "move";
    case Kind::copy: return "copy";
    case Kind::append: return "upload";
  }
  return "change";
}

Error changed_since_sent() {
  return {EINTR, Scope::message, Retry::never,
          "interrupted: an earlier version has reached the server, and this one has not been sent"};
}

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

}  // namespace imapfs::sync
