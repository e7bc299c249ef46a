// Flags set by our user, and what the server lets us do.

#include <algorithm>
#include <array>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/sync/errors.hpp"
#include "sync/changes/change_kinds.hpp"
#include "sync/changes/changes.hpp"
#include "sync/sync_engine_implementation.hpp"

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

tl::unexpected<Error> refused(int errnum, std::string_view what) {
  return fail(errnum, Scope::mailbox, Retry::never, "{}", what);
}

Result<void> check_rights(const MailboxRights& rights, const Touched& touched) {
  if (rights.read_only) return refused(EROFS, "the mailbox is read-only");
  if (touched.flags.has(SystemFlag::seen) && !rights.write_seen)
    return refused(EACCES, "the server does not let you change \\Seen here (right s)");
  if (touched.flags.has(SystemFlag::deleted) && !rights.remove_messages)
    return refused(EACCES, "the server does not let you change \\Deleted here (right t)");
  if (touched.others() && !rights.write_flags)
    return refused(EACCES, "the server does not let you change flags here (right w)");
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

}  // namespace

// -- rights --

MailboxRights EngineImplementation::rights(MailboxId id) const {
  MailboxRights rights;
  if (const auto mailbox = find_mailbox(id)) rights = mailbox->replica.rights().current();
  const auto mailboxes = tree();
  const auto* const node = mailboxes->find(id);
  if (node != nullptr && !node->may_have_children) rights.create_children = false;
  // Without it only a plain EXPUNGE would be left, which is never sent.
  const bool uidplus = traits_.with_lock([](const auto& traits) { return !traits || traits->has("UIDPLUS"); });
  rights.expunge = rights.expunge && uidplus;
  return rights;
}

std::optional<std::uint64_t> EngineImplementation::append_limit() const {
  return traits_.with_lock([](const auto& traits) -> std::optional<std::uint64_t> {
    if (!traits) return std::nullopt;
    return imap::append_limit(traits->capabilities);
  });
}

namespace {

imap::PoolJob rights_job(const MailboxPointer& mailbox, imap::Priority priority, const CallContext& context, Job then) {
  imap::PoolJob job;
  job.priority = priority;
  job.context = context;
  job.what = fmt::format("rights of {}", telemetry::printable(mailbox->replica.identity().path));
  job.run = [mailbox](imap::Session& session, const CallContext& inner) -> Result<void> {
    return MailboxSync::ask_rights(mailbox->replica, session, inner);
  };
  job.done = [mailbox, then = std::move(then)](const Result<void>&) {
    mailbox->replica.news().publish();
    if (then) then();
  };
  return job;
}

}  // namespace

void EngineImplementation::ask_rights(const MailboxPointer& mailbox) {
  mailbox->replica.rights().doubt();
  submit(rights_job(mailbox, imap::Priority::background, patience(), {}));
}

void EngineImplementation::with_rights(MailboxId id, Job then) {
  const auto mailbox = find_mailbox(id);
  const bool has_acl = traits_.with_lock([](const auto& traits) { return traits && traits->has("ACL"); });
  if (!mailbox || !has_acl || !online() || !mailbox->replica.rights().wanted()) return then();
  submit(rights_job(mailbox, imap::Priority::interactive, patience(), std::move(then)));
}

Result<void> EngineImplementation::select_to_change(const MailboxPointer& mailbox, imap::Session& session,
                                                    const CallContext& context) {
  auto& replica = mailbox->replica;
  if (const auto selected = IMAPFS_TRY(select_read_write(session, replica.identity().wire_name, context))) {
    replica.note_validity(selected->uid_validity.value_or(UidValidity{}));
    replica.rights().note_selection(*selected);
    replica.news().publish();
  }
  if (session.selection().read_only) return refused(EROFS, "the mailbox is read-only");
  return {};
}

// -- flags --

void EngineImplementation::set_flags(const MessageLocation& message, const FlagChange& change, Completion<void> done) {
  if (!changes_) return done(fail(EROFS, "changes are not possible"));
  const auto mailbox = use_mailbox(message.mailbox);
  if (!mailbox) return done(fail(no_such_mailbox()));
  if (auto allowed = may_store(mailbox->replica, message.uid, change); !allowed) return done(std::move(allowed));
  auto ended = [this, mailbox, message, change, done = std::move(done)](Result<void> result) {
    if (!result) return done(std::move(result));
    store_flags(mailbox, message, change, done);
  };
  // `cp a b` takes the flags along that a had then.
  with_connection([this, message, ended = std::move(ended)] { changes_->after_changes_of(message, ended); });
}

void EngineImplementation::store_flags(const MailboxPointer& mailbox, const MessageLocation& message,
                                       const FlagChange& change, Completion<void> done) {
  imap::PoolJob job;
  job.mailbox = mailbox->replica.identity().wire_name;
  job.context = patience();
  job.changes = true;
  job.what = fmt::format("set flags of UID {} in {}", message.uid.value,
                         telemetry::printable(mailbox->replica.identity().path));
  job.run = [mailbox, message, change](imap::Session& session, const CallContext& context) -> Result<void> {
    IMAPFS_TRY(select_to_change(mailbox, session, context));
    if (session.selection().uid_validity.value_or(UidValidity{}) != message.uid_validity)
      return fail(ESTALE, Scope::mailbox, Retry::never, "the mailbox has another UIDVALIDITY now");
    // SELECT has told of READ-ONLY and PERMANENTFLAGS.
    IMAPFS_TRY(may_store(mailbox->replica, message.uid, change));
    auto stored = session.store_flags(UidSet::single(message.uid), change, context);
    // STORE of the same flags twice is STORE of them once, so a lost answer is no reason to look first.
    if (!stored && stored.error().scope == Scope::session) stored.error().retry = Retry::now;
    return stored;
  };
  job.done = [this, mailbox, message, change, done = std::move(done)](const Result<void>& result) {
    if (!result && result.error().errnum == EACCES && result.error().scope < Scope::session) ask_rights(mailbox);
    // STORE is .SILENT: nobody else tells this connection what it has done itself.
    if (result && mailbox->replica.table()->uid_validity() == message.uid_validity) {
      take_flag_change(mailbox->replica, UidSet::single(message.uid), change);
      mailbox->replica.news().publish();
    }
    done(result);
  };
  submit(std::move(job));
}

}  // namespace imapfs::sync
