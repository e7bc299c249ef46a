#pragma once
// FakeSession's commands that change messages, carried out as a server does: other sessions hear of it at once, this
// one at the end of the command. Included by fake_session.hpp.

#include "fake_session.hpp"

namespace imapfs::testing {

/// What RFC 4314 asks of who gives or takes these flags.
inline std::string rights_for(const FlagSet& flags) {
  std::string rights;
  if (flags.has(SystemFlag::seen)) rights += 's';
  if (flags.has(SystemFlag::deleted)) rights += 't';
  FlagSet others = flags;
  others.remove("\\Seen");
  others.remove("\\Deleted");
  if (!others.to_string().empty()) rights += 'w';
  return rights;
}

inline Result<void> FakeSession::Change::begin(std::string text, Lock& lock, const CallContext& context) {
  auto result = session_.enter(command_, lock, context, std::move(text));
  if (!result) return session_.unknown_outcome(std::move(result));
  if (auto& losses = session_.state_->losses[command_]; !losses.empty()) {
    loss_ = losses.front();
    losses.pop_front();
  }
  return {};
}

inline Result<void> FakeSession::Change::end(Lock& lock, const CallContext& context) {
  if (loss_) return session_.unknown_outcome(session_.lose(FakeServerState::connection_lost()));
  auto result = session_.pass_gate(command_ + " answer", lock, context);
  if (!result) return session_.unknown_outcome(std::move(result));
  session_.deliver_pending(lock);
  return {};
}

inline Result<FakeMailbox*> FakeSession::writable_mailbox() {
  auto* mailbox = IMAPFS_TRY(selected_mailbox());
  if (selection_.read_only) return fail(EROFS, Scope::mailbox, Retry::never, "{}: selected read-only", selected_);
  return mailbox;
}

inline Result<FakeMailbox*> FakeSession::destination_mailbox(const imap::WireName& name) {
  const auto found = state_->mailboxes.find(name);
  if (found == state_->mailboxes.end() || !found->second.selectable)
    return fail(ENOENT, Scope::mailbox, Retry::never, "{}: no such mailbox [TRYCREATE]", name);
  if (found->second.read_only) return fail(EROFS, Scope::mailbox, Retry::never, "{}: [READ-ONLY]", name);
  IMAPFS_TRY(need_rights(found->second, "i"));
  return &found->second;
}

inline Result<std::string> FakeSession::read_literal(imap::AppendSource& source, Lock& lock) {
  lock.unlock();
  const auto size = source.size();
  std::string octets;
  std::string buffer(state_->chunk_bytes, '\0');
  std::optional<Error> error;
  while (!error) {
    auto count = source.read(buffer);
    if (!count) {
      error = std::move(count).error();
    } else if (*count == 0) {
      if (octets.size() == size) break;
      error = Error{EIO, Scope::session, Retry::later, "APPEND: the source has ended early"};
    } else {
      octets.append(buffer, 0, *count);
      if (octets.size() > size) error = Error{EIO, Scope::session, Retry::later, "APPEND: the source is too long"};
    }
  }
  lock.lock();
  // The server has been promised a literal that will not come.
  if (error) return lose(Error{error->errnum, Scope::session, Retry::later, std::move(error->what)});
  if (connection_->lost) return fail(ECONNRESET, Scope::session, Retry::later, "APPEND: connection closed by server");
  return octets;
}

inline Result<imap::AppendedMessage> FakeSession::append(const imap::AppendRequest& request, imap::AppendSource& source,
                                                         const CallContext& context) {
  Lock lock(state_->mutex);
  if (const auto limit = append_limit(); limit && source.size() > *limit)
    return fail(EFBIG, "APPEND: {} octets, and the server takes {}", source.size(), *limit);
  FlagSet flags = request.flags;
  flags.remove("\\Recent");
  Change change(*this, "APPEND");
  IMAPFS_TRY(
      change.begin(fmt::format("APPEND {} ({}) {}", request.mailbox, flags.to_string(), source.size()), lock, context));
  auto octets = IMAPFS_TRY(read_literal(source, lock));
  auto* mailbox = IMAPFS_TRY(destination_mailbox(request.mailbox));
  imap::AppendedMessage answer;
  if (change.reach() > 0) {
    const auto size = octets.size();
    const auto uid = mailbox->add({{},
                                   request.internal_date.value_or(state_->now),
                                   size,
                                   std::make_shared<const std::string>(std::move(octets)),
                                   std::move(flags),
                                   {}});
    if (has("UIDPLUS")) answer = {mailbox->uid_validity, uid};
    state_->announce_count(*mailbox);
  }
  IMAPFS_TRY(change.end(lock, context));
  return answer;
}

inline Result<imap::CopiedMessages> FakeSession::copy(const UidSet& uids, const imap::WireName& destination,
                                                      const CallContext& context) {
  return copy_or_move(false, uids, destination, context);
}

inline Result<imap::CopiedMessages> FakeSession::move(const UidSet& uids, const imap::WireName& destination,
                                                      const CallContext& context) {
  if (!has("MOVE")) return fail(EOPNOTSUPP, "MOVE is not offered");
  return copy_or_move(true, uids, destination, context);
}

inline Result<imap::CopiedMessages> FakeSession::copy_or_move(bool move, const UidSet& uids,
                                                              const imap::WireName& destination,
                                                              const CallContext& context) {
  Lock lock(state_->mutex);
  if (move) IMAPFS_TRY(writable_mailbox());
  const std::string command = move ? "MOVE" : "COPY";
  Change change(*this, command);
  IMAPFS_TRY(change.begin(fmt::format("UID {} {} {}", command, uids.to_string(), destination), lock, context));
  auto* source = IMAPFS_TRY(selected_mailbox());
  auto* target = IMAPFS_TRY(destination_mailbox(destination));
  IMAPFS_TRY(need_rights(*source, move ? "rte" : "r"));

  imap::CopiedMessages answer;
  const auto chosen = source->present(uids, change.reach());
  for (const Uid uid : chosen) answer.uids.emplace_back(uid, target->add(source->messages.at(uid)));
  if (!chosen.empty()) {
    answer.uid_validity = target->uid_validity;
    state_->announce_count(*target);
    if (move) remove_from(*source, chosen);
  }
  if (!has("UIDPLUS")) answer = {};
  IMAPFS_TRY(change.end(lock, context));
  return answer;
}

inline void FakeSession::remove_from(FakeMailbox& mailbox, const std::vector<Uid>& uids) {
  for (const Uid uid : uids) mailbox.remove(uid);
  if (!uids.empty()) state_->announce(mailbox, {untagged::Vanished{UidSet::of(uids)}});
}

inline Result<void> FakeSession::store_flags(const UidSet& uids, const FlagChange& flag_change,
                                             const CallContext& context) {
  Lock lock(state_->mutex);
  IMAPFS_TRY(writable_mailbox());
  const FlagSet& flags = flag_change.flags;
  if ((flags.system() & ~selection_.permanent_flags.system()) != 0)
    return fail(EPERM, "STORE {}: not among PERMANENTFLAGS", flags.to_string());
  for (const auto& keyword : flags.keywords())
    if (!selection_.may_create_keywords && !selection_.permanent_flags.has(keyword))
      return fail(EPERM, "STORE {}: not among PERMANENTFLAGS", keyword);

  const char* const item = flag_change.kind == FlagChange::Kind::add      ? "+FLAGS.SILENT"
                           : flag_change.kind == FlagChange::Kind::remove ? "-FLAGS.SILENT"
                                                                          : "FLAGS.SILENT";
  Change change(*this, "STORE");
  IMAPFS_TRY(
      change.begin(fmt::format("UID STORE {} {} ({})", uids.to_string(), item, flags.to_string()), lock, context));
  auto* mailbox = IMAPFS_TRY(selected_mailbox());
  IMAPFS_TRY(need_rights(*mailbox, rights_for(flags)));
  std::vector<Untagged> for_others;
  for (const Uid uid : mailbox->present(uids, change.reach())) {
    auto& message = mailbox->messages.at(uid);
    message.flags = changed_flags(message.flags, flag_change);
    message.modseq = mailbox->next_modseq();
    for_others.emplace_back(untagged::Fetch{uid, message.flags, message.modseq});
    // RFC 7162 §3.1.3: .SILENT hides the flags, not the new mod-sequence.
    if (has("CONDSTORE")) connection_->pending.emplace_back(untagged::Fetch{uid, std::nullopt, message.modseq});
  }
  if (!for_others.empty()) state_->announce(*mailbox, for_others, connection_.get());
  return change.end(lock, context);
}

inline FlagSet FakeSession::changed_flags(FlagSet flags, const FlagChange& change) {
  if (change.kind == FlagChange::Kind::replace) return change.flags;
  const auto apply = [&](std::string_view flag) {
    change.kind == FlagChange::Kind::add ? flags.add(flag) : flags.remove(flag);
  };
  for (const auto* name : {"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"})
    if (change.flags.has(name)) apply(name);
  for (const auto& keyword : change.flags.keywords()) apply(keyword);
  return flags;
}

inline Result<void> FakeSession::expunge(const UidSet& uids, const CallContext& context) {
  Lock lock(state_->mutex);
  if (!has("UIDPLUS")) return fail(EOPNOTSUPP, "UID EXPUNGE is not offered");
  IMAPFS_TRY(writable_mailbox());
  Change change(*this, "EXPUNGE");
  IMAPFS_TRY(change.begin("UID EXPUNGE " + uids.to_string(), lock, context));
  auto* mailbox = IMAPFS_TRY(selected_mailbox());
  IMAPFS_TRY(need_rights(*mailbox, "e"));
  std::vector<Uid> chosen;
  for (const Uid uid : mailbox->present(uids, FakeServerState::whole_command))
    if (chosen.size() < change.reach() && mailbox->messages.at(uid).flags.has(SystemFlag::deleted))
      chosen.push_back(uid);
  remove_from(*mailbox, chosen);
  return change.end(lock, context);
}

}  // namespace imapfs::testing
