#include "sync/tree/mailbox_commands.hpp"

#include <algorithm>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {
namespace {

/// After a lost connection the command runs again, and then looks first.
Result<void> outcome(Result<void> result) {
  if (!result && result.error().scope == Scope::session && result.error().errnum != EINTR)
    result.error().retry = Retry::now;
  return result;
}

Result<std::optional<imap::ListedMailbox>> find_listed(imap::Session& session, const imap::WireName& name,
                                                       const CallContext& context) {
  auto rows = IMAPFS_TRY_WHILE("list", session.list(name, context));
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.wire_name == name; });
  if (found == rows.end()) return std::optional<imap::ListedMailbox>();
  return std::optional(std::move(*found));
}

/// Some servers refuse to delete or rename a mailbox that any session has selected (INUSE), including this session.
Result<void> leave(imap::Session& session, const ServerName& name, const CallContext& context) {
  if (session.selected() != name.wire && !name.is_above(session.selected())) return {};
  imap::Session::SelectRequest request;
  request.mailbox = "INBOX";
  auto selected = session.select(request, context);
  if (!selected && selected.error().lost_connection()) return fail(std::move(selected).error());
  return {};
}

/// The main command has succeeded, so a failure here does not matter.
void set_subscribed(imap::Session& session, const imap::WireName& name, bool subscribed, const CallContext& context) {
  const auto result = session.subscribe(name, subscribed, context);
  if (!result) telemetry::debug("subscriptions: {}", telemetry::printable(result.error().what));
}

}  // namespace

Result<void> MailboxCreation::run(imap::Session& session, const CallContext& context) {
  command_.begin();
  if (command_.sent() && !created_) {
    const auto listed = IMAPFS_TRY(find_listed(session, name_.wire, context));
    created_ = listed && listed->selectable;
  }
  if (!created_) {
    command_.send();
    IMAPFS_TRY_WHILE("create", outcome(session.create_mailbox(name_.wire, context)));
    created_ = true;
  }
  set_subscribed(session, name_.wire, true, context);
  return {};
}

Result<void> MailboxRemoval::look(imap::Session& session, const CallContext& context) {
  messages_left_ = 0;
  if (name_.delimiter != 0) {
    const auto below = IMAPFS_TRY_WHILE("list", session.list(name_.wire + name_.delimiter, context));
    const bool children = std::any_of(below.begin(), below.end(),
                                      [&](const auto& row) { return name_.is_above(row.wire_name); });
    if (children) return fail(ENOTEMPTY, Scope::mailbox, Retry::never, "it holds other mailboxes");
  }
  const auto listed = IMAPFS_TRY(find_listed(session, name_.wire, context));
  if (!listed) {
    gone_ = true;
    if (command_.sent() || !selectable_) return {};
    return fail(ENOENT, Scope::mailbox, Retry::never, "the server has no such mailbox any more");
  }
  if (!selectable_ && !listed->selectable) return {};
  const auto status = IMAPFS_TRY_WHILE("status", session.status(name_.wire, context));
  // A missing count is not taken for 0.
  if (!status.messages)
    return fail(EIO, Scope::mailbox, Retry::never, "the server does not say how many messages it holds");
  messages_left_ = *status.messages;
  if (messages_left_ == 0) return {};
  return fail(ENOTEMPTY, Scope::mailbox, Retry::never, "it holds {} messages", messages_left_);
}

Result<void> MailboxRemoval::run(imap::Session& session, const CallContext& context) {
  command_.begin();
  if (gone_) return {};
  IMAPFS_TRY(leave(session, name_, context));
  IMAPFS_TRY(look(session, context));
  if (!gone_) {
    command_.send();
    IMAPFS_TRY_WHILE("delete", outcome(session.delete_mailbox(name_.wire, context)));
    gone_ = true;
  }
  set_subscribed(session, name_.wire, false, context);
  return {};
}

namespace {

/// Whether LIST shows the mailbox or, for a directory that is no mailbox, anything of it. A name that is kept only as a
/// level (RFC 9051 §6.3.6) is not the mailbox.
Result<bool> is_there(imap::Session& session, const ServerName& name, bool selectable, const CallContext& context) {
  const auto rows = IMAPFS_TRY_WHILE("list", session.list(name.wire, context));
  return std::any_of(rows.begin(), rows.end(), [&](const auto& row) {
    if (selectable) return row.wire_name == name.wire && row.selectable;
    return row.wire_name == name.wire || name.is_above(row.wire_name);
  });
}

}  // namespace

/// Somebody else is unlikely to have done exactly this meanwhile. If so, the tree is what the user wanted anyway.
Result<bool> MailboxRenaming::was_carried_out(imap::Session& session, const CallContext& context) const {
  const bool has_old = IMAPFS_TRY(is_there(session, from_, selectable_, context));
  const bool has_new = IMAPFS_TRY(is_there(session, to_, selectable_, context));
  if (has_old && has_new) return fail(EEXIST, "a mailbox of the new name exists");
  if (!has_old && !has_new)
    return fail(ENOENT, Scope::mailbox, Retry::never, "the server has no such mailbox any more");
  return has_new;
}

Result<void> MailboxRenaming::run(imap::Session& session, const CallContext& context) {
  command_.begin();
  if (command_.sent() && IMAPFS_TRY(was_carried_out(session, context))) return {};
  if (target_) IMAPFS_TRY_WHILE("make way", target_->run(session, context));
  IMAPFS_TRY(leave(session, from_, context));
  command_.send();
  IMAPFS_TRY_WHILE("rename", outcome(session.rename_mailbox(from_.wire, to_.wire, context)));
  return {};
}

}  // namespace imapfs::sync
