#include "sync/mailbox/mailbox_sync.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {
namespace {

/// The end of every open range: `*` would match the last message even when its UID lies below the range.
constexpr Uid highest_uid{UINT32_MAX};

Uid after(Uid uid) { return Uid{uid.value == UINT32_MAX ? UINT32_MAX : uid.value + 1}; }

tl::unexpected<Error> shows_none(const imap::Session& session) {
  return fail(EIO, Scope::mailbox, Retry::later, "the server says it has {} messages and shows none",
              session.selection().messages);
}

bool has_condstore(const imap::Session& session) {
  return session.traits().has("CONDSTORE") || session.traits().has("QRESYNC");
}

}  // namespace

MailboxSync::MailboxSync(MailboxReplica& replica, Settings settings) : replica_(replica), settings_(settings) {}

imap::FetchItems MailboxSync::listing_items(const mime::NameTemplate& names, bool condstore) {
  imap::FetchItems items;
  items.flags = items.internal_date = items.size = true;
  items.modseq = condstore;
  if (names.needs_headers()) items.header_fields = {"DATE", "FROM", "SUBJECT", "MESSAGE-ID"};
  if (names.uses_to()) items.header_fields.emplace_back("TO");
  return items;
}

CallContext MailboxSync::bounded(const CallContext& context, SteadyClock::duration patience) const {
  return {context.stop, std::min(context.deadline, SteadyClock::now() + patience)};
}

std::uint64_t MailboxSync::chunk_size(const imap::Session& session) const {
  return session.traits().has(imap::Quirk::small_fetch_sets) ? settings_.messages_per_small_command : chunk_size_;
}

/// Between two commands the connection is idle for a round trip; but while one runs, nobody else gets a turn.
void MailboxSync::adapt_chunk_size(std::uint64_t asked, SteadyClock::duration taken) {
  constexpr std::uint64_t most_growth = 10;
  const auto least = settings_.messages_per_command;
  const auto growth = static_cast<double>(settings_.long_command.count()) /
                      static_cast<double>(std::max<std::int64_t>(taken.count(), 1));
  const auto wanted = std::min(static_cast<double>(asked) * growth, static_cast<double>(least * most_growth));
  chunk_size_ = std::max(least, static_cast<std::uint64_t>(wanted));
}

bool MailboxSync::agrees(const imap::Session& session) const {
  // A server may hand out what came after SELECT before it counts it.
  return replica_.accounts_for(counted(session)) || replica_.accounts_for(selected_->messages + newer_than_select_);
}

Result<void> MailboxSync::run(imap::Session& session, const CallContext& context) {
  while (IMAPFS_TRY(step(session, context)) == Progress::more) IMAPFS_TRY(context.check());
  return {};
}

Result<MailboxSync::Progress> MailboxSync::step(imap::Session& session, const CallContext& context) {
  const auto activity = fmt::format("sync {}", telemetry::printable(replica_.identity().path));
  // Another session may still have a mailbox open that was removed since, and made anew (RFC 2180 §3.1).
  const bool same = selected_ && session.selected() == replica_.identity().wire_name &&
                    session.selection().uid_validity == selected_->uid_validity;
  if (!same) IMAPFS_TRY_WHILE(activity, select(session, context));
  auto progress = Progress::finished;
  switch (method_) {
    case SyncMethod::none: break;
    case SyncMethod::listing: progress = IMAPFS_TRY_WHILE(activity, list_chunk(session, context)); break;
    case SyncMethod::qresync: IMAPFS_TRY_WHILE(activity, apply_qresync(session, context)); break;
    case SyncMethod::condstore: IMAPFS_TRY_WHILE(activity, apply_condstore(session, context)); break;
    case SyncMethod::full: IMAPFS_TRY_WHILE(activity, apply_full(session, context)); break;
  }
  if (progress == Progress::more) {
    replica_.publish_unless_rows_only();
    return progress;
  }
  finish();
  replica_.gate().wake(*replica_.table());  // readers need not wait for the store's queue
  replica_.publish();
  return progress;
}

Result<void> MailboxSync::select(imap::Session& session, const CallContext& context) {
  known_ = replica_.known();
  imap::Session::SelectRequest request;
  request.mailbox = replica_.identity().wire_name;
  if (known_.complete && known_.uid_validity.value != 0 && known_.highest_modseq.value != 0 &&
      session.traits().has("QRESYNC"))
    request.qresync = imap::QresyncState{known_.uid_validity, known_.highest_modseq};
  request.rows = [this](const imap::FetchRow& row) {
    replica_.take_flags(row);
    replica_.publish_when_large();
  };
  request.vanished = [this](const UidSet& uids) { replica_.take_vanished(uids); };
  selected_.reset();
  to_list_.reset();
  newer_than_select_ = 0;
  selected_ = IMAPFS_TRY_WHILE("select", session.select(request, bounded(context, settings_.command_timeout)));

  IMAPFS_TRY(ask_rights(replica_, session, bounded(context, settings_.command_timeout)));

  const auto validity = selected_->uid_validity.value_or(UidValidity{});
  if (validity.value == 0 && known_.listed && known_.uid_validity.value != 0)
    return fail(EIO, Scope::mailbox, Retry::later, "the server has told no UIDVALIDITY, and told one before");
  if (identity_changed(known_, *selected_)) {
    telemetry::info("{}: UIDVALIDITY changed from {} to {}", telemetry::printable(replica_.identity().path),
                    known_.uid_validity.value, validity.value);
    replica_.restart(validity);
    replica_.publish();
    known_ = replica_.known();
  }
  method_ = choose_method(known_, *selected_, has_condstore(session));
  order_.begin(replica_.listed_up_to().value == 0);
  if (method_ != SyncMethod::listing) return {};
  replica_.note_validity(validity);
  replica_.reserve(selected_->messages);
  const auto modseq = selected_->highest_modseq.value_or(ModSeq{});
  const bool unchanged = modseq.value != 0 && listing_modseq_ == modseq;
  resumed_ = resumed_ || (replica_.table()->size() > 0 && !unchanged);
  listing_modseq_ = modseq;
  return {};
}

/// What the server says before rows are shown is in their modes from the start.
Result<void> MailboxSync::ask_rights(MailboxReplica& replica, imap::Session& session, const CallContext& context) {
  if (!replica.rights_wanted()) return {};
  if (!session.traits().has("ACL")) {
    replica.note_rights(std::nullopt);
    return {};
  }
  auto rights = session.my_rights(replica.identity().wire_name, context);
  if (!rights && rights.error().scope >= Scope::session)
    return fail(std::move(rights).error().while_doing("ask for rights"));
  if (!rights) telemetry::debug("rights: {}", telemetry::printable(rights.error().what));
  replica.note_rights(rights ? std::move(*rights) : std::nullopt);
  return {};
}

// -- listing --

Result<UidSet> MailboxSync::next_chunk(imap::Session& session, const CallContext& context, bool& last) {
  const auto limit = chunk_size(session);
  const auto first = after(replica_.listed_up_to());
  last = true;
  if (selected_->messages <= limit) return UidSet::range(first, highest_uid);
  const auto end = selected_->uid_next.value_or(Uid{}).value;
  const bool dense = end > 1 && end - 1 <= std::uint64_t{selected_->messages} * 4;
  if (!to_list_ && dense) {
    const auto chunk_end = std::min<std::uint64_t>(first.value + limit - 1, UINT32_MAX);
    last = chunk_end + 1 >= end;
    return UidSet::range(first, last ? highest_uid : Uid{static_cast<std::uint32_t>(chunk_end)});
  }
  if (!to_list_) {
    to_list_ = IMAPFS_TRY(all_uids(session, context));
    if (first.value > 1) to_list_ = subtract(*to_list_, UidSet::range(Uid{1}, replica_.listed_up_to()));
  }
  auto chunk = take_first(*to_list_, limit);
  last = to_list_->empty();
  const Uid chunk_end = chunk.empty() ? first : after(Uid{chunk.ranges().back().last});
  if (last) chunk.add(chunk_end, highest_uid);
  return chunk;
}

Result<MailboxSync::Progress> MailboxSync::list_chunk(imap::Session& session, const CallContext& context) {
  bool last = true;
  if (selected_->messages > 0 || replica_.table()->size() > 0) {
    const auto chunk = IMAPFS_TRY(next_chunk(session, context, last));
    auto fetched = fetch_chunk(session, context, chunk, last);
    if (!fetched) {
      // What was taken out of the list and did not come must come again.
      to_list_.reset();
      return fail(std::move(fetched).error());
    }
    const Uid end{last ? replica_.table()->frontier().value : chunk.ranges().back().last};
    replica_.listing_reached(last ? std::max(end, replica_.listed_up_to()) : end, *listing_modseq_);
    replica_.gate().wake(*replica_.table());
  }
  if (!last) return Progress::more;
  if (resumed_ || replica_.table()->size() < counted(session)) IMAPFS_TRY(apply_full(session, context));
  return Progress::finished;
}

/// Readers go on behind the chunk after it, so what its rows leave out is asked for before.
Result<void> MailboxSync::fetch_chunk(imap::Session& session, const CallContext& context, const UidSet& chunk,
                                      bool last) {
  const auto begin = SteadyClock::now();
  order_.begin_chunk();
  IMAPFS_TRY(fetch_rows(session, context, chunk, true));
  adapt_chunk_size(chunk.count(), SteadyClock::now() - begin);
  const bool whole = order_.end_chunk() && !(last && replica_.table()->size() < counted(session));
  if (whole || counted(session) == 0) return {};
  const auto present = UidSet::of(IMAPFS_TRY(present_in(session, context, chunk)));
  return fetch_missing(session, context, subtract(subtract(present, replica_.table()->uids()), rows_.left_out()));
}

Result<void> MailboxSync::fetch_rows(imap::Session& session, const CallContext& context, const UidSet& uids,
                                     bool listing) {
  std::uint64_t rows = 0;
  std::uint64_t next_wake = settings_.first_wake_rows;
  auto wake_time = SteadyClock::now() + settings_.wake_after;
  const auto take = [&](const imap::FetchRow& row) {
    const bool in_order = listing && order_.take(row.uid, row.sequence);
    const bool known = replica_.table()->size() > 0 && replica_.table()->find(row.uid).has_value();
    replica_.take_row(row, listing, in_order);
    if (!known && selected_ && selected_->uid_next && row.uid >= *selected_->uid_next) ++newer_than_select_;
    replica_.publish_when_large();
    if (++rows < next_wake && SteadyClock::now() < wake_time) return;
    next_wake = rows + settings_.wake_rows;
    wake_time = SteadyClock::now() + settings_.wake_after;
    replica_.gate().wake(*replica_.table());
  };
  const RowsByParts::Work work{
      [&](const UidSet& part, RowsByParts::Items items) { return fetch_items(session, context, part, items, take); },
      [&] { return all_uids(session, context); }};
  return rows_.run(uids, work);
}

Result<void> MailboxSync::fetch_items(imap::Session& session, const CallContext& context, const UidSet& uids,
                                      RowsByParts::Items items,
                                      const std::function<void(const imap::FetchRow&)>& take) {
  imap::Session::FetchRequest request;
  request.uids = uids;
  request.items = listing_items(replica_.names(), has_condstore(session));
  if (items != RowsByParts::Items::all) request.items.header_fields.clear();
  if (items == RowsByParts::Items::flags) request.items.internal_date = request.items.size = false;
  const auto note = [&](const imap::FetchRow& row) {
    rows_.arrived(row.uid);
    if (items != RowsByParts::Items::flags) return take(row);
    auto bare = row;
    bare.size = bare.size.value_or(0);
    take(bare);
  };
  IMAPFS_TRY_WHILE("fetch headers", session.fetch(request, note, bounded(context, settings_.fetch_timeout)));
  return {};
}

// -- later --

Result<void> MailboxSync::apply_qresync(imap::Session& session, const CallContext& context) {
  if (may_have_new_messages(known_, *selected_, replica_.table()->size()))
    IMAPFS_TRY(fetch_rows(session, context, UidSet::range(std::max(known_.uid_next, Uid{1}), highest_uid), false));
  if (agrees(session)) return {};
  telemetry::info("{}: QRESYNC leaves {} messages where the server has {}; comparing all",
                  telemetry::printable(replica_.identity().path), replica_.table()->size(), counted(session));
  return apply_full(session, context);
}

Result<void> MailboxSync::apply_condstore(imap::Session& session, const CallContext& context) {
  if (selected_->highest_modseq != known_.highest_modseq)
    IMAPFS_TRY(fetch_flags(session, context, known_.highest_modseq, nullptr));
  if (may_have_new_messages(known_, *selected_, replica_.table()->size()))
    IMAPFS_TRY(fetch_rows(session, context, UidSet::range(std::max(known_.uid_next, Uid{1}), highest_uid), false));
  // With all new messages counted in, an equal count proves that nothing has gone.
  if (agrees(session)) return {};
  // Numbers may be no UIDs, though they are as many: rows say what they are about.
  const bool clear = IMAPFS_TRY(reconcile(session, context, IMAPFS_TRY(all_uids(session, context)), By::search));
  return clear && agrees(session) ? Result<void>{} : apply_full(session, context);
}

Result<void> MailboxSync::apply_full(imap::Session& session, const CallContext& context) {
  UidSet seen;
  if (counted(session) > 0) IMAPFS_TRY(fetch_flags(session, context, std::nullopt, &seen));
  if (seen.empty() && replica_.table()->size() == 0 && counted(session) > 0) return shows_none(session);
  if (!IMAPFS_TRY(reconcile(session, context, seen, By::rows))) replica_.doubt(counted(session));
  return {};
}

Result<bool> MailboxSync::reconcile(imap::Session& session, const CallContext& context, const UidSet& named, By by) {
  // An answer that is short may lack what is new.
  if (named.count() < counted(session) && method_ != SyncMethod::listing)
    IMAPFS_TRY(fetch_rows(session, context, UidSet::range(std::max(known_.uid_next, Uid{1}), highest_uid), false));
  auto difference = compare_uids(replica_.table()->uids(), named);
  IMAPFS_TRY(fetch_missing(session, context, std::move(difference.missing)));
  return remove_absent(session, context, std::move(difference.gone), named, by);
}

/// What an answer leaves out though it was asked for by its UID is asked for once more, without its header.
Result<void> MailboxSync::fetch_missing(imap::Session& session, const CallContext& context, UidSet missing) {
  const bool listing = method_ == SyncMethod::listing;
  while (!missing.empty()) {
    const auto chunk = take_first(missing, chunk_size(session));
    IMAPFS_TRY(fetch_rows(session, context, chunk, listing));
    const auto left_out = subtract(subtract(chunk, replica_.table()->uids()), rows_.left_out());
    if (left_out.empty()) continue;
    const auto take = [&](const imap::FetchRow& row) { replica_.take_row(row, listing, false); };
    IMAPFS_TRY(fetch_items(session, context, left_out, RowsByParts::Items::no_header, take));
  }
  return {};
}

/// `absent`: what the table holds and `named` does not.
Result<bool> MailboxSync::remove_absent(imap::Session& session, const CallContext& context, UidSet absent,
                                        const UidSet& named, By by) {
  const auto& table = *replica_.table();
  const auto still_known = [&] { absent = common(absent, table.uids()); };
  still_known();
  const auto accounted = [&](std::uint64_t others) {
    return table.size() + others >= counted(session) + absent.count();
  };
  // Numbers may be no UIDs, whatever their count.
  const bool unclear = by == By::search || absent.count() * 2 > table.size() || !accounted(replica_.unaccounted());
  if (!absent.empty() && unclear) absent = subtract(absent, IMAPFS_TRY(present_of(session, context, absent)));
  still_known();
  // What was named and cannot be had is there all the same.
  const auto without_row = by == By::rows ? subtract(named, table.uids()).count() : 0;
  if (!absent.empty() && !accounted(std::max(replica_.unaccounted(), without_row))) return false;
  replica_.take_vanished(absent);
  replica_.compared(counted(session));
  return true;
}

Result<UidSet> MailboxSync::present_of(imap::Session& session, const CallContext& context, const UidSet& uids) {
  std::vector<Uid> present;
  auto left = uids;
  while (!left.empty()) {
    const auto part = IMAPFS_TRY(present_in(session, context, take_first(left, chunk_size(session))));
    present.insert(present.end(), part.begin(), part.end());
  }
  return UidSet::of(std::move(present));
}

/// By one command, however large the set.
Result<std::vector<Uid>> MailboxSync::present_in(imap::Session& session, const CallContext& context,
                                                 const UidSet& uids) {
  std::vector<Uid> present;
  imap::Session::FetchRequest request;
  request.items.flags = true;
  request.uids = uids;
  const auto take = [&](const imap::FetchRow& row) { present.push_back(row.uid); };
  const auto asked = session.fetch(request, take, bounded(context, settings_.fetch_timeout));
  if (asked) return present;
  // To ask for messages of an empty mailbox is an error for some, and SEARCH is none.
  const auto& refusal = asked.error();
  const bool may_be_empty = counted(session) == 0 && refusal.scope < Scope::session && refusal.retry == Retry::never;
  if (may_be_empty && IMAPFS_TRY(session.search("ALL", bounded(context, settings_.command_timeout))).empty())
    return std::vector<Uid>();
  return fail(Error(refusal).while_doing("ask for missing messages"));
}

Result<void> MailboxSync::fetch_flags(imap::Session& session, const CallContext& context, std::optional<ModSeq> since,
                                      UidSet* seen) {
  imap::Session::FetchRequest request;
  request.items.flags = true;
  request.items.modseq = has_condstore(session);
  request.changed_since = since;
  const auto take = [&](const imap::FetchRow& row) {
    if (seen != nullptr && row.uid.value != 0) seen->add(row.uid, row.uid);
    replica_.take_flags(row);
    replica_.publish_when_large();
  };
  const bool in_chunks = session.traits().has(imap::Quirk::small_fetch_sets) &&
                         replica_.table()->size() > chunk_size(session);
  auto left = in_chunks ? IMAPFS_TRY(all_uids(session, context)) : UidSet::range(Uid{1}, highest_uid);
  while (!left.empty()) {
    request.uids = in_chunks ? take_first(left, chunk_size(session)) : std::exchange(left, {});
    IMAPFS_TRY_WHILE("fetch flags", session.fetch(request, take, bounded(context, settings_.fetch_timeout)));
  }
  return {};
}

Result<UidSet> MailboxSync::all_uids(imap::Session& session, const CallContext& context) {
  auto uids = IMAPFS_TRY_WHILE("search all", session.search("ALL", bounded(context, settings_.fetch_timeout)));
  if (uids.empty() && counted(session) > 0 && replica_.table()->size() == 0) return shows_none(session);
  return uids;
}

// -- on a session that is in step --

Result<void> MailboxSync::fetch_new(imap::Session& session, const CallContext& context) {
  known_ = replica_.known();
  method_ = SyncMethod::full;
  IMAPFS_TRY(fetch_rows(session, context, UidSet::range(std::max(known_.uid_next, Uid{1}), highest_uid), false));
  replica_.in_step_with_watch();
  return {};
}

Result<void> MailboxSync::fetch_changes(imap::Session& session, ModSeq up_to, const CallContext& context) {
  known_ = replica_.known();
  const bool can = session.traits().has("QRESYNC") && known_.complete && known_.highest_modseq.value != 0;
  if (!can || up_to <= known_.highest_modseq) return {};
  imap::Session::FetchRequest request;
  request.uids = UidSet::range(Uid{1}, highest_uid);
  request.items.flags = request.items.modseq = true;
  request.changed_since = known_.highest_modseq;
  request.vanished = [this](const UidSet& uids) { replica_.take_vanished(uids); };
  const auto take = [this](const imap::FetchRow& row) {
    replica_.take_flags(row);
    replica_.publish_when_large();
  };
  IMAPFS_TRY_WHILE("fetch changes", session.fetch(request, take, bounded(context, settings_.fetch_timeout)));
  replica_.in_step_with_watch(up_to);
  return {};
}

Result<void> MailboxSync::compare_all(imap::Session& session, const CallContext& context) {
  known_ = replica_.known();
  method_ = SyncMethod::full;
  selected_ = session.selection();
  UidSet seen;
  IMAPFS_TRY(fetch_flags(session, context, std::nullopt, &seen));
  if (!IMAPFS_TRY(reconcile(session, context, seen, By::rows))) replica_.doubt(counted(session));
  replica_.in_step_with_watch();
  return {};
}

void MailboxSync::finish() {
  ++telemetry::counters().mailbox_syncs;
  replica_.in_step_with(*selected_);
}

}  // namespace imapfs::sync
