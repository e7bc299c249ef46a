#pragma once
// FakeSession's commands that change the tree of mailboxes, and MYRIGHTS. Included by fake_session.hpp.

#include "fake_session.hpp"
#include "imapfs/mime/names.hpp"

namespace imapfs::testing {

inline Result<void> FakeSession::create_mailbox(const imap::WireName& mailbox, const CallContext& context) {
  Lock lock(state_->mutex);
  Change change(*this, "CREATE");
  IMAPFS_TRY(change.begin("CREATE " + mailbox, lock, context));
  const auto found = state_->mailboxes.find(mailbox);
  if (found != state_->mailboxes.end() && found->second.selectable)
    return fail(EEXIST, "{}: [ALREADYEXISTS] Mailbox already exists", mailbox);
  IMAPFS_TRY(need_parent_rights(mailbox));
  if (change.reach() > 0) {
    state_->make_mailbox(mailbox);
    state_->announce_list();
  }
  return change.end(lock, context);
}

inline Result<void> FakeSession::delete_mailbox(const imap::WireName& mailbox, const CallContext& context) {
  Lock lock(state_->mutex);
  Change change(*this, "DELETE");
  IMAPFS_TRY(change.begin("DELETE " + mailbox, lock, context));
  if (same_word(mailbox, "INBOX")) return fail(EPERM, "INBOX: [CANNOT] INBOX can't be deleted");
  const auto found = state_->mailboxes.find(mailbox);
  if (found == state_->mailboxes.end()) return no_mailbox(mailbox);
  IMAPFS_TRY(need_rights(found->second, "x"));
  const bool has_children = !state_->children(found->second).empty();
  if (has_children && !found->second.selectable) return fail(ENOTEMPTY, "{}: [HASCHILDREN] it has children", mailbox);
  if (change.reach() > 0) {
    // RFC 9051 §6.3.5: with children, only the messages go and the name stays.
    if (has_children) {
      found->second.selectable = false;
      found->second.messages.clear();
    } else {
      state_->mailboxes.erase(found);
    }
    forget_selected(mailbox);
    state_->announce_list();
  }
  return change.end(lock, context);
}

inline Result<void> FakeSession::rename_mailbox(const imap::WireName& from, const imap::WireName& to,
                                                const CallContext& context) {
  Lock lock(state_->mutex);
  Change change(*this, "RENAME");
  IMAPFS_TRY(change.begin(fmt::format("RENAME {} {}", from, to), lock, context));
  const auto found = state_->mailboxes.find(from);
  if (found == state_->mailboxes.end()) return no_mailbox(from);
  if (state_->mailboxes.contains(to)) return fail(EEXIST, "{}: [ALREADYEXISTS] Mailbox already exists", to);
  if (to.starts_with(from + found->second.delimiter)) return fail(EPERM, "{}: [CANNOT] it is below {}", to, from);
  IMAPFS_TRY(need_rights(found->second, "x"));
  IMAPFS_TRY(need_parent_rights(to));
  if (change.reach() > 0) {
    if (same_word(from, "INBOX")) empty_inbox_into(found->second, to);
    else rename_with_children(found->second, to);
    state_->announce_list();
  }
  return change.end(lock, context);
}

/// RFC 9051 §6.3.6: INBOX stays, without its messages; its children stay too.
inline void FakeSession::empty_inbox_into(FakeMailbox& inbox, const imap::WireName& to) {
  const auto uids = inbox.present(UidSet::range(Uid{1}, Uid{UINT32_MAX}), FakeServerState::whole_command);
  auto& target = state_->make_mailbox(to);
  for (const Uid uid : uids) target.add(inbox.messages.at(uid));
  remove_from(inbox, uids);
}

inline void FakeSession::rename_with_children(const FakeMailbox& mailbox, const imap::WireName& to) {
  const auto from = mailbox.wire_name;
  auto names = state_->children(mailbox);
  names.push_back(from);
  state_->make_parents(to, mailbox.delimiter);
  for (const auto& name : names) {
    auto node = state_->mailboxes.extract(name);
    node.key() = to + name.substr(from.size());
    node.mapped().wire_name = node.key();
    node.mapped().name = mime::decode_mailbox_name(node.key()).utf8;
    state_->mailboxes.insert(std::move(node));
    forget_selected(name);
  }
}

/// Other connections that have it selected are lost; this one has nothing selected any more.
inline void FakeSession::forget_selected(const imap::WireName& mailbox) {
  state_->lose_selected(mailbox, connection_.get());
  if (selected_ != mailbox) return;
  selected_.clear();
  selection_ = {};
  connection_->selected.clear();
}

inline Result<void> FakeSession::subscribe(const imap::WireName& mailbox, bool subscribed, const CallContext& context) {
  Lock lock(state_->mutex);
  Change change(*this, "SUBSCRIBE");
  IMAPFS_TRY(change.begin((subscribed ? "SUBSCRIBE " : "UNSUBSCRIBE ") + mailbox, lock, context));
  const auto found = state_->mailboxes.find(mailbox);
  // A subscription may outlive its mailbox, so it can be taken back without one.
  if (found == state_->mailboxes.end() && subscribed) return no_mailbox(mailbox);
  if (found != state_->mailboxes.end() && change.reach() > 0) found->second.subscribed = subscribed;
  return change.end(lock, context);
}

inline Result<std::optional<std::string>> FakeSession::my_rights(const imap::WireName& mailbox,
                                                                 const CallContext& context) {
  Lock lock(state_->mutex);
  if (!has("ACL")) return std::nullopt;
  IMAPFS_TRY(unknown_outcome(enter("MYRIGHTS", lock, context)));
  const auto found = state_->mailboxes.find(mailbox);
  if (found == state_->mailboxes.end()) return no_mailbox(mailbox);
  std::optional<std::string> rights = found->second.rights;
  deliver_pending(lock);
  return rights;
}

}  // namespace imapfs::testing
