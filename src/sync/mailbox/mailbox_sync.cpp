#include "sync/mailbox/mailbox_sync.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {

MailboxSync::MailboxSync(MailboxReplica& replica, Settings settings)
    : replica_(replica), settings_(settings), fetch_(replica, settings), listing_(replica, fetch_) {}

bool MailboxSync::agrees(const imap::Session& session) const {
  // A server may send messages that came after SELECT before it counts them.
  return replica_.count().accounts_for(MessageFetch::counted(session)) ||
         replica_.count().accounts_for(selected_->messages + fetch_.newer_than_select());
}

MailboxComparison MailboxSync::comparison() {
  return {replica_, fetch_, known_.uid_next, method_ == SyncMethod::listing ? &listing_.order() : nullptr};
}

Result<void> MailboxSync::run(imap::Session& session, const CallContext& context) {
  while (IMAPFS_TRY(step(session, context)) == Progress::more) IMAPFS_TRY(context.check());
  return {};
}

Result<MailboxSync::Progress> MailboxSync::step(imap::Session& session, const CallContext& context) {
  const auto activity = fmt::format("sync {}", telemetry::printable(replica_.identity().path));
  // A session may still have a mailbox selected that was removed and recreated since (RFC 2180 §3.1).
  const bool same = selected_ && session.selected() == replica_.identity().wire_name &&
                    session.selection().uid_validity == selected_->uid_validity;
  if (!same) IMAPFS_TRY_WHILE(activity, select(session, context));
  auto progress = Progress::finished;
  switch (method_) {
    case SyncMethod::none: break;
    case SyncMethod::listing: progress = IMAPFS_TRY_WHILE(activity, apply_listing(session, context)); break;
    case SyncMethod::qresync: IMAPFS_TRY_WHILE(activity, apply_qresync(session, context)); break;
    case SyncMethod::condstore: IMAPFS_TRY_WHILE(activity, apply_condstore(session, context)); break;
    case SyncMethod::full: IMAPFS_TRY_WHILE(activity, apply_full(session, context)); break;
  }
  if (progress == Progress::more) {
    replica_.news().publish_unless_rows_only();
    return progress;
  }
  finish();
  replica_.gate().wake(*replica_.table());  // readers need not wait for the store's queue
  replica_.news().publish();
  return progress;
}

Result<void> MailboxSync::select(imap::Session& session, const CallContext& context) {
  known_ = replica_.record().known();
  imap::Session::SelectRequest request;
  request.mailbox = replica_.identity().wire_name;
  if (known_.complete && known_.uid_validity.value != 0 && known_.highest_modseq.value != 0 &&
      session.traits().has("QRESYNC"))
    request.qresync = imap::QresyncState{known_.uid_validity, known_.highest_modseq};
  request.rows = [this](const imap::FetchRow& row) {
    replica_.take_flags(row);
    replica_.news().publish_when_large();
  };
  request.vanished = [this](const UidSet& uids) { replica_.take_vanished(uids); };
  selected_.reset();
  listing_.begin_selection();
  const auto bounded = [&] { return MessageFetch::bounded(context, settings_.command_timeout); };
  selected_ = IMAPFS_TRY_WHILE("select", session.select(request, bounded()));
  fetch_.selected(selected_->uid_next);

  IMAPFS_TRY(ask_rights(replica_, session, bounded()));

  const auto validity = selected_->uid_validity.value_or(UidValidity{});
  if (validity.value == 0 && known_.listed && known_.uid_validity.value != 0)
    return fail(EIO, Scope::mailbox, Retry::later, "the server has told no UIDVALIDITY, and told one before");
  if (identity_changed(known_, *selected_)) {
    telemetry::info("{}: UIDVALIDITY changed from {} to {}", telemetry::printable(replica_.identity().path),
                    known_.uid_validity.value, validity.value);
    replica_.restart(validity);
    replica_.news().publish();
    known_ = replica_.record().known();
  }
  method_ = choose_method(known_, *selected_, MessageFetch::has_condstore(session));
  listing_.begin_order();
  if (method_ == SyncMethod::listing) begin_listing(validity);
  return {};
}

void MailboxSync::begin_listing(UidValidity validity) {
  replica_.note_validity(validity, selected_->messages);
  listing_.begin(*selected_);
}

/// Asked before rows are shown, so that their modes are right from the start.
Result<void> MailboxSync::ask_rights(MailboxReplica& replica, imap::Session& session, const CallContext& context) {
  if (!replica.rights().wanted()) return {};
  if (!session.traits().has("ACL")) {
    replica.rights().note(std::nullopt);
    return {};
  }
  auto rights = session.my_rights(replica.identity().wire_name, context);
  if (!rights && rights.error().lost_connection()) return fail(std::move(rights).error().while_doing("ask for rights"));
  if (!rights) telemetry::debug("rights: {}", telemetry::printable(rights.error().what));
  replica.rights().note(rights ? std::move(*rights) : std::nullopt);
  return {};
}

// -- by each method --

Result<MailboxSync::Progress> MailboxSync::apply_listing(imap::Session& session, const CallContext& context) {
  if (IMAPFS_TRY(listing_.fetch_next(session, context, *selected_))) return Progress::more;
  const bool short_of_some = replica_.table()->size() < MessageFetch::counted(session);
  if (listing_.resumed() || short_of_some) IMAPFS_TRY(apply_full(session, context));
  return Progress::finished;
}

Result<void> MailboxSync::apply_qresync(imap::Session& session, const CallContext& context) {
  if (may_have_new_messages(known_, *selected_, replica_.table()->size()))
    IMAPFS_TRY(fetch_rows_since_last_sync(session, context));
  if (agrees(session)) return {};
  telemetry::info("{}: QRESYNC leaves {} messages where the server has {}; comparing all",
                  telemetry::printable(replica_.identity().path), replica_.table()->size(),
                  MessageFetch::counted(session));
  return apply_full(session, context);
}

Result<void> MailboxSync::apply_condstore(imap::Session& session, const CallContext& context) {
  if (selected_->highest_modseq != known_.highest_modseq)
    IMAPFS_TRY(fetch_.fetch_flags(session, context, known_.highest_modseq, nullptr));
  if (may_have_new_messages(known_, *selected_, replica_.table()->size()))
    IMAPFS_TRY(fetch_rows_since_last_sync(session, context));
  // All new messages are counted, so an equal count proves that none is gone.
  if (agrees(session)) return {};
  // SEARCH may return as many numbers that are not UIDs; rows contain their UIDs.
  const auto found = IMAPFS_TRY(fetch_.all_uids(session, context));
  const bool clear = IMAPFS_TRY(comparison().reconcile(session, context, found, MailboxComparison::By::search));
  return clear && agrees(session) ? Result<void>{} : apply_full(session, context);
}

Result<void> MailboxSync::apply_full(imap::Session& session, const CallContext& context) {
  UidSet seen;
  if (MessageFetch::counted(session) > 0) IMAPFS_TRY(fetch_.fetch_flags(session, context, std::nullopt, &seen));
  if (seen.empty() && replica_.table()->size() == 0 && MessageFetch::counted(session) > 0)
    return MessageFetch::shows_none(session);
  if (!IMAPFS_TRY(comparison().reconcile(session, context, seen, MailboxComparison::By::rows)))
    replica_.count().doubt(MessageFetch::counted(session));
  return {};
}

Result<void> MailboxSync::fetch_rows_since_last_sync(imap::Session& session, const CallContext& context) {
  const auto fresh = UidSet::range(std::max(known_.uid_next, Uid{1}), highest_uid);
  return fetch_.fetch_rows(session, context, fresh, nullptr);
}

void MailboxSync::finish() {
  ++telemetry::counters().mailbox_syncs;
  replica_.in_step_with(*selected_);
}

// -- on a session that is in step --

Result<void> MailboxSync::fetch_new(imap::Session& session, const CallContext& context) {
  known_ = replica_.record().known();
  method_ = SyncMethod::full;
  IMAPFS_TRY(fetch_rows_since_last_sync(session, context));
  replica_.record().in_step_with_watch();
  return {};
}

Result<void> MailboxSync::fetch_changes(imap::Session& session, ModSeq up_to, const CallContext& context) {
  known_ = replica_.record().known();
  const bool can = session.traits().has("QRESYNC") && known_.complete && known_.highest_modseq.value != 0;
  if (!can || up_to <= known_.highest_modseq) return {};
  imap::Session::FetchRequest request;
  request.uids = UidSet::range(Uid{1}, highest_uid);
  request.items.flags = request.items.modseq = true;
  request.changed_since = known_.highest_modseq;
  request.vanished = [this](const UidSet& uids) { replica_.take_vanished(uids); };
  const auto take = [this](const imap::FetchRow& row) {
    replica_.take_flags(row);
    replica_.news().publish_when_large();
  };
  const auto bounded = MessageFetch::bounded(context, settings_.fetch_timeout);
  IMAPFS_TRY_WHILE("fetch changes", session.fetch(request, take, bounded));
  replica_.record().in_step_with_watch(up_to);
  return {};
}

Result<void> MailboxSync::compare_all(imap::Session& session, const CallContext& context) {
  known_ = replica_.record().known();
  method_ = SyncMethod::full;
  selected_ = session.selection();
  UidSet seen;
  IMAPFS_TRY(fetch_.fetch_flags(session, context, std::nullopt, &seen));
  if (!IMAPFS_TRY(comparison().reconcile(session, context, seen, MailboxComparison::By::rows)))
    replica_.count().doubt(MessageFetch::counted(session));
  replica_.record().in_step_with_watch();
  return {};
}

}  // namespace imapfs::sync
