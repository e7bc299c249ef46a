#include "sync/changes/batch.hpp"

#include <algorithm>
#include <utility>

#include "sync/changes/lost_appends.hpp"

namespace imapfs::sync {

using Kind = store::JournalChange::Kind;

ChangeBatch::ChangeBatch(Contents contents, const CommandDependencies& dependencies)
    : items_(std::move(contents.items)), look_up_(contents.look_up), source_(std::move(contents.source)),
      destination_(std::move(contents.destination)), dependencies_(dependencies) {
  progress_.guard = std::move(contents.guard);
}

Result<void> ChangeBatch::run(imap::Session& session, const CallContext& context) {
  auto result = carry_out(session, context);
  // The pool must not run it again by itself: what was sent may have been carried out, and where an answer makes no
  // sense the next one will not either.
  const bool lost = !result && result.error().lost_connection();
  if (lost && (sent() || result.error().errnum == EIO)) {
    auto error = std::move(result).error();
    error.retry = Retry::later;
    return fail(std::move(error));
  }
  return result;
}

Result<void> ChangeBatch::carry_out(imap::Session& session, const CallContext& context) {
  // A command about thousands of messages may take a server long, but not for ever.
  const CallContext bounded{context.stop, std::min(context.deadline, SteadyClock::now() + 10 * dependencies_.timeout)};
  switch (first().kind) {
    case Kind::flag: return store_flags(session, bounded);
    case Kind::expunge: return expunge(session, bounded);
    case Kind::move:
    case Kind::copy: return copy_or_move(session, bounded);
    case Kind::append: return look_up_appends(items_, destination_, dependencies_, session, bounded);
  }
  return fail(EINVAL, "unknown kind of change");
}

Result<void> ChangeBatch::copy_or_move(imap::Session& session, const CallContext& context) {
  CopyOrMove commands(items_, progress_, {source_, destination_, dependencies_, session, context});
  return look_up_ ? commands.look_up() : commands.carry_out();
}

// -- STORE and EXPUNGE: may be repeated as often as one likes --

Result<void> ChangeBatch::store_flags(imap::Session& session, const CallContext& context) {
  IMAPFS_TRY(SourceCheck(items_, source_, dependencies_, session, context).select_to_remove());
  const auto uids = uids_without_outcome(items_);
  if (uids.empty()) return {};
  IMAPFS_TRY_WHILE("store flags", session.store_flags(uids, first().flags, context));
  take_flag_change(source_->replica, uids, first().flags);
  finish_all(items_, first().source);
  return {};
}

Result<void> ChangeBatch::expunge(imap::Session& session, const CallContext& context) {
  IMAPFS_TRY(SourceCheck(items_, source_, dependencies_, session, context).select_to_remove());
  const auto uids = uids_without_outcome(items_);
  if (uids.empty()) return {};
  const auto deleted = deleted_flag(FlagChange::Kind::add);
  IMAPFS_TRY_WHILE("store flags", session.store_flags(uids, deleted, context));
  auto expunged = session.expunge(uids, context);
  if (!expunged) {
    if (!expunged.error().lost_connection()) take_flag_change(source_->replica, uids, deleted);
    return fail(std::move(expunged).error().while_doing("expunge"));
  }
  source_->replica.take_vanished(uids);
  source_->replica.news().publish();
  finish_all(items_, {});
  return {};
}

}  // namespace imapfs::sync
