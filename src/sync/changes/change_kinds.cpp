#include "sync/changes/change_kinds.hpp"

#include <sstream>

namespace imapfs::sync {

using Kind = store::JournalChange::Kind;

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

std::string renamed_mailbox(const std::string& name, const std::string& from, const std::string& to, char delimiter) {
  if (name == from) return to;
  const bool below = delimiter != 0 && name.size() > from.size() && name.starts_with(from) &&
                     name[from.size()] == delimiter;
  return below ? to + name.substr(from.size()) : name;
}

}  // namespace imapfs::sync
