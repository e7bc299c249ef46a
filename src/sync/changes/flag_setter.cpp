#include "sync/changes/flag_setter.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/change_kinds.hpp"

namespace imapfs::sync {
namespace {

constexpr std::array system_flags = {SystemFlag::seen, SystemFlag::answered, SystemFlag::flagged, SystemFlag::deleted,
                                     SystemFlag::draft};

struct Touched {
  FlagSet flags;  ///< that will be there or gone
  [[nodiscard]] bool others() const {
    const bool system = std::any_of(system_flags.begin(), system_flags.end(), [&](SystemFlag flag) {
      return flag != SystemFlag::seen && flag != SystemFlag::deleted && flags.has(flag);
    });
    return system || !flags.keywords().empty();
  }
};

/// What the change would make different; with nothing known of the message, all that it names.
Touched touched_by(const FlagChange& change, const std::optional<MessageMeta>& known) {
  if (change.kind != FlagChange::Kind::replace || !known) return {change.flags};
  Touched touched;
  const auto compare = [&](const FlagSet& these, const FlagSet& those) {
    for (const auto flag : system_flags)
      if (these.has(flag) && !those.has(flag)) touched.flags.add(flag);
    for (const auto& keyword : these.keywords())
      if (!those.has(keyword)) touched.flags.add(keyword);
  };
  compare(change.flags, known->flags);
  compare(known->flags, change.flags);
  return touched;
}

tl::unexpected<Error> flags_refused(int errnum, std::string_view what) {
  return fail(errnum, Scope::mailbox, Retry::never, "{}", what);
}

Result<void> check_rights(const MailboxRights& rights, const Touched& touched) {
  if (rights.read_only) return flags_refused(EROFS, "the mailbox is read-only");
  if (touched.flags.has(SystemFlag::seen) && !rights.write_seen)
    return flags_refused(EACCES, "the server does not let you change \\Seen here (right s)");
  if (touched.flags.has(SystemFlag::deleted) && !rights.remove_messages)
    return flags_refused(EACCES, "the server does not let you change \\Deleted here (right t)");
  if (touched.others() && !rights.write_flags)
    return flags_refused(EACCES, "the server does not let you change flags here (right w)");
  return {};
}

/// RFC 9051 §7.1 PERMANENTFLAGS: what is not in it would be forgotten with the connection.
Result<void> check_permanent(const MailboxRights& rights, const Touched& touched) {
  if (touched.flags.has(SystemFlag::recent))
    return fail(EPERM, Scope::message, Retry::never, "\\Recent is the server's");
  if (!rights.permanent_flags) return {};
  const auto& permanent = *rights.permanent_flags;
  for (const auto flag : system_flags)
    if (touched.flags.has(flag) && !permanent.has(flag))
      return fail(EPERM, Scope::message, Retry::never, "the mailbox keeps only the flags {}", permanent.to_string());
  for (const auto& keyword : touched.flags.keywords())
    if (!permanent.has(keyword) && !rights.create_keywords)
      return fail(EPERM, Scope::message, Retry::never, "{} is no keyword that the mailbox keeps",
                  telemetry::printable(keyword));
  return {};
}

Result<void> may_store(MailboxReplica& replica, Uid uid, const FlagChange& change) {
  const auto touched = touched_by(change, replica.messages().find(uid));
  const auto rights = replica.rights().current();
  IMAPFS_TRY(check_permanent(rights, touched));
  return check_rights(rights, touched);
}

/// SELECT, unless the session has the mailbox selected so that it may change something. EROFS if the server does not
/// allow that.
Result<void> select_to_change(MailboxReplica& replica, imap::Session& session, const CallContext& context) {
  if (const auto selected = IMAPFS_TRY(select_read_write(session, replica.identity().wire_name, context))) {
    replica.note_validity(selected->uid_validity.value_or(UidValidity{}));
    replica.rights().note_selection(*selected);
    replica.news().publish();
  }
  if (session.selection().read_only) return flags_refused(EROFS, "the mailbox is read-only");
  return {};
}

Result<void> store_flags(MailboxReplica& replica, const MessageLocation& message, const FlagChange& change,
                         imap::Session& session, const CallContext& context) {
  IMAPFS_TRY(select_to_change(replica, session, context));
  if (session.selection().uid_validity.value_or(UidValidity{}) != message.uid_validity)
    return fail(ESTALE, Scope::mailbox, Retry::never, "the mailbox has another UIDVALIDITY now");
  // SELECT has told of READ-ONLY and PERMANENTFLAGS.
  IMAPFS_TRY(may_store(replica, message.uid, change));
  auto stored = session.store_flags(UidSet::single(message.uid), change, context);
  // STORE of the same flags twice is STORE of them once, so a lost answer is no reason to look first.
  if (!stored && stored.error().scope == Scope::session) stored.error().retry = Retry::now;
  return stored;
}

}  // namespace

void FlagSetter::set(const MailboxPointer& mailbox, const MessageLocation& message, const FlagChange& change,
                     Completion<void> done) {
  if (auto allowed = may_store(mailbox->replica, message.uid, change); !allowed) return done(std::move(allowed));
  auto ended = [this, mailbox, message, change, done = std::move(done)](Result<void> result) {
    if (!result) return done(std::move(result));
    store(mailbox, message, change, done);
  };
  // `cp a b` takes the flags along that a had then.
  server_.with_connection([this, message, ended = std::move(ended)] { changes_.after_changes_of(message, ended); });
}

void FlagSetter::store(const MailboxPointer& mailbox, const MessageLocation& message, const FlagChange& change,
                       Completion<void> done) {
  const auto& identity = mailbox->replica.identity();
  server_.ask<void>(
      {.what = fmt::format("set flags of UID {} in {}", message.uid.value, telemetry::printable(identity.path)),
       .mailbox = identity.wire_name,
       .changes = true},
      [mailbox, message, change](imap::Session& session, const CallContext& context) {
        return store_flags(mailbox->replica, message, change, session, context);
      },
      [this, mailbox, message, change, done = std::move(done)](const Result<void>& result) {
        stored(mailbox, message, change, result);
        done(result);
      });
}

void FlagSetter::stored(const MailboxPointer& mailbox, const MessageLocation& message, const FlagChange& change,
                        const Result<void>& result) {
  rights_.after_change(mailbox, result);
  // STORE is .SILENT: nobody else tells this connection what it has done itself.
  if (!result || mailbox->replica.table()->uid_validity() != message.uid_validity) return;
  take_flag_change(mailbox->replica, UidSet::single(message.uid), change);
  mailbox->replica.news().publish();
}

}  // namespace imapfs::sync
