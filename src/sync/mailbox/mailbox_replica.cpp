#include "sync/mailbox/mailbox_replica.hpp"

#include <algorithm>
#include <chrono>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/header_decode.hpp"

namespace imapfs::sync {
namespace {

/// Rows of a listing are kept back up to this many octets: while it runs, the processor is better used for the rows
/// that somebody waits for, and what a listing that is broken off has stored counts up to the end of a command only.
constexpr std::size_t most_held_octets = 32 << 20;
/// Each removal looks through the rows that are kept back: not for more than these.
constexpr std::size_t most_rows_to_search = 2000;
constexpr std::size_t flag_changes_at_once = 2000;
constexpr std::size_t announced_rows = 256;
/// For messages whose server tells no date, and whose header has none either: 2000-01-01.
constexpr UnixTime no_date = 946'684'800;

/// Longer fields are cut in the store: enough for every xattr that is any use.
constexpr std::size_t stored_field_bytes = 8192;

/// The fields as they stand in the mail. Decoding them too would double the cost of a listing's rows for xattrs that
/// few ask for; stored_details() decodes.
store::StoredRows::Headers undecoded(const mime::ListedFields& fields) {
  const auto cut = [](std::string_view value) { return value.substr(0, stored_field_bytes); };
  return {cut(fields.from), cut(fields.subject), cut(fields.date), cut(fields.message_id)};
}

bool is_empty(const store::MetadataStore::Batch& batch) {
  return !batch.forget_all && batch.upserts.empty() && batch.flag_changes.empty() && batch.exact_sizes.empty() &&
         batch.removals.empty() && !batch.state;
}

}  // namespace

MailboxReplica::MailboxReplica(Identity identity, Dependencies dependencies, std::optional<store::MailboxState> stored)
    : identity_(std::move(identity)), dependencies_(dependencies) {
  if (stored) {
    state_ = *stored;
    table_->reset(state_.uid_validity);
  } else {
    load_ = Load::done;
  }
}

KnownMailbox MailboxReplica::known() const {
  const Lock lock(mutex_);
  return {state_.uid_validity,          state_.uid_next, state_.highest_modseq, messages_, listed_, table_->complete(),
          in_doubt_ || unaccounted_ > 0};
}

bool MailboxReplica::stored_or_listed() const {
  const Lock lock(mutex_);
  return listed_ || load_ != Load::done;
}

DirectoryTime MailboxReplica::directory_time(const MailboxStatus& listed) const {
  const Lock lock(mutex_);
  if (state_.changed_at != 0) return {state_.changed_at, state_.changed_at_nanoseconds};
  if (table_->complete()) return unwitnessed_directory_time(state_.uid_validity, state_.uid_next, messages_);
  return unwitnessed_directory_time(listed.uid_validity.value_or(table_->uid_validity()),
                                    listed.uid_next.value_or(Uid{}), listed.messages.value_or(0));
}

MessageMeta MailboxReplica::render(const imap::FetchRow& row, const mime::ListedFields& listed) const {
  MessageMeta meta;
  meta.uid = row.uid;
  meta.size = row.size.value_or(0);
  meta.modseq = row.modseq.value_or(ModSeq{});
  meta.flags = row.flags.value_or(FlagSet{});
  meta.internal_date = row.internal_date ? *row.internal_date : mime::parse_date(listed.date).value_or(no_date);
  mime::NameFields fields;
  fields.uid = row.uid;
  fields.internal_date = meta.internal_date;
  fields.from = listed.from;
  fields.to = listed.to;
  fields.subject = listed.subject;
  fields.message_id = listed.message_id;
  meta.file_name = dependencies_.names.render(fields);
  return meta;
}

bool MailboxReplica::take_row(const imap::FetchRow& row, bool listing, bool in_order) {
  // A server may send flags of a message unasked between the rows that were asked for.
  if (!row.size && !row.internal_date && row.header_block.empty()) return take_flags(row);
  if (row.uid.value == 0) return false;
  std::string readable;
  const auto fields = mime::listed_fields(mime::header_in_utf8(row.header_block, readable));
  auto meta = render(row, fields);
  const Lock lock(mutex_);
  if (vanished_meanwhile_.contains(row.uid)) return true;
  listed_ = true;
  highest_seen_ = std::max(highest_seen_, row.uid);
  const auto before = table_->find_original(row.uid);
  if (before) {
    // A name never changes for a UID, and a size that was counted is not given up for one that was told.
    meta.file_name = before->file_name;
    if (before->size_is_exact) meta.size = before->size;
    meta.size_is_exact = before->size_is_exact;
    // As news, like any other change of flags.
    take_known_flags(row.uid, meta.flags, meta.modseq);
  } else if (const auto single = singles_.find(row.uid); single != singles_.end() && single->second.size_is_exact) {
    meta.size = single->second.size;
    meta.size_is_exact = true;
  }
  // A row below the frontier comes late: a reader may be past its place already.
  const bool late = row.uid < table_->frontier();
  if (!before && arrivals_ > 0 && !expected_.contains(row.uid) && !table_->hidden(row.uid)) {
    table_->set_hidden(UidSet::single(row.uid), true);
    held_back_.insert(row.uid);
  }
  table_->upsert(meta, in_order);
  if (!before) ++revision_;
  if (!before) note_new_row(row.uid, listing && !late);
  if (!before && !listing) witness_change();
  noted_.batch.upserts.add(meta, undecoded(fields));
  return true;
}

bool MailboxReplica::take_flags(const imap::FetchRow& row) {
  if (row.uid.value == 0) return false;
  const Lock lock(mutex_);
  if (const auto single = singles_.find(row.uid); single != singles_.end() && row.flags)
    single->second.flags = *row.flags;
  if (!table_->place(row.uid)) return false;
  if (row.flags) take_known_flags(row.uid, *row.flags, row.modseq.value_or(ModSeq{}));
  return true;
}

void MailboxReplica::take_known_flags(Uid uid, const FlagSet& flags, ModSeq modseq) {
  const auto place = table_->place(uid).value_or(MessageTable::Place::hidden);
  const bool moves = place != MessageTable::Place::hidden &&
                     flags.has(SystemFlag::deleted) != (place == MessageTable::Place::deleted);
  auto name_before = moves ? table_->find(uid)->file_name : std::string();
  const auto rivals = moves ? rivals_of(uid) : Rivals();
  if (!table_->set_flags(uid, flags, modseq)) return;
  ++revision_;
  noted_.batch.flag_changes.push_back({uid, flags, modseq});
  if (moves) note_move(uid, place, std::move(name_before));
  else change().flags_changed.push_back(uid);
  note_rivals(rivals);
}

void MailboxReplica::take_vanished(const UidSet& uids) {
  Lock lock(mutex_);
  if (noted_.batch.upserts.size() > most_rows_to_search) {
    lock.unlock();
    publish();
    lock.lock();
  }
  std::erase_if(singles_, [&](const auto& single) { return uids.contains(single.first); });
  std::erase_if(expected_, [&](Uid uid) { return uids.contains(uid); });
  if (syncing_)
    for (const auto& range : uids.ranges()) vanished_meanwhile_.add(Uid{range.first}, Uid{range.last});
  const auto rivals = rivals_of(uids);
  note_unused_names(uids);
  auto removed = table_->remove(uids);
  if (removed.empty()) return note_rivals(rivals);
  ++revision_;
  noted_.batch.upserts.remove(uids);
  for (auto& row : removed) {
    noted_.batch.removals.add(row.uid, row.uid);
    note_removed(std::move(row));
  }
  note_rivals(rivals);
}

void MailboxReplica::restart(UidValidity validity) {
  const Lock lock(mutex_);
  const bool had_rows = listed_;
  note_unused_names(UidSet::range(Uid{1}, Uid{UINT32_MAX}));
  table_->reset(validity);
  names_known_for_.reset();
  held_back_.clear();
  expected_.clear();
  singles_.clear();
  singles_order_.clear();
  vanished_meanwhile_ = {};
  listed_up_to_ = highest_seen_ = Uid{};
  messages_ = unaccounted_ = 0;
  in_doubt_ = false;
  ++revision_;
  const auto changed = state_;
  state_ = {};
  state_.uid_validity = validity;
  state_.changed_at = changed.changed_at;
  state_.changed_at_nanoseconds = changed.changed_at_nanoseconds;
  noted_.batch = {};
  noted_.batch.forget_all = true;
  if (!had_rows) return;
  noted_.changes.emplace_back();
  change().everything = true;
  witness_change();
}

void MailboxReplica::listing_reached(Uid uid, ModSeq modseq) {
  const Lock lock(mutex_);
  listed_ = true;
  listed_up_to_ = uid;
  // Rows that came out of order: the table's frontier moves to the last of them now.
  const auto highest = std::min(uid, highest_seen_);
  if (table_->place(highest)) table_->advance_frontier(highest);
  state_.highest_modseq = modseq;
  state_.uid_validity = table_->uid_validity();
  noted_.batch.state = state_to_store();
}

Uid MailboxReplica::listed_up_to() const {
  const Lock lock(mutex_);
  return listed_up_to_;
}

void MailboxReplica::news_received(std::optional<SteadyClock::time_point> time) {
  const Lock lock(mutex_);
  received_ = time;
}

void MailboxReplica::sync_begins() {
  const Lock lock(mutex_);
  syncing_ = true;
  vanished_meanwhile_ = {};
}

void MailboxReplica::sync_ends() {
  const Lock lock(mutex_);
  syncing_ = false;
  vanished_meanwhile_ = {};
}

bool MailboxReplica::accounts_for(std::uint64_t messages) const {
  const Lock lock(mutex_);
  return table_->size() + unaccounted_ == messages;
}

std::uint64_t MailboxReplica::unaccounted() const {
  const Lock lock(mutex_);
  return unaccounted_;
}

void MailboxReplica::compared(std::uint64_t messages) {
  const Lock lock(mutex_);
  const auto held = table_->size();
  const auto before = std::exchange(unaccounted_, messages > held ? messages - held : 0);
  const auto path = telemetry::printable(identity_.path);
  if (unaccounted_ > before) telemetry::warning("{}: the server counts {} messages and shows {}", path, messages, held);
  if (std::exchange(in_doubt_, false)) telemetry::info("{}: it is clear again what is there", path);
}

void MailboxReplica::doubt(std::uint64_t messages) {
  const Lock lock(mutex_);
  if (std::exchange(in_doubt_, true)) return;
  telemetry::warning("{}: of {} messages the server does not name all, and counts {}; none is taken for removed",
                     telemetry::printable(identity_.path), table_->size(), messages);
}

void MailboxReplica::in_step_with_watch(ModSeq modseq) {
  const Lock lock(mutex_);
  if (!table_->complete()) return;
  messages_ = table_->size() + unaccounted_;
  if (highest_seen_ >= state_.uid_next) state_.uid_next = Uid{highest_seen_.value + 1};
  // Where it is not known, the old one stays: what it stands for is told once more at the next QRESYNC, and does no
  // harm.
  state_.highest_modseq = std::max(state_.highest_modseq, modseq);
  noted_.batch.state = state_to_store();
}

void MailboxReplica::in_step_with(const imap::SelectedMailbox& selected) {
  const Lock lock(mutex_);
  listed_ = true;
  const bool first = !table_->complete();
  messages_ = table_->size() + unaccounted_;
  state_.uid_validity = selected.uid_validity.value_or(UidValidity{});
  state_.uid_next = std::max(selected.uid_next.value_or(Uid{1}), Uid{highest_seen_.value + 1});
  state_.highest_modseq = selected.highest_modseq.value_or(ModSeq{});
  if (table_->uid_validity() != state_.uid_validity && table_->size() == 0)
    table_->reset(state_.uid_validity, keeps_places(state_.uid_validity));
  // A name outlives what an answer leaves out.
  if (selected.uid_next && !in_doubt_ && unaccounted_ == 0) forget_what_is_gone(*selected.uid_next);
  table_->set_complete(true);
  if (first && state_.changed_at == 0) {
    const auto time = unwitnessed_directory_time(state_.uid_validity, state_.uid_next, messages_);
    state_.changed_at = time.seconds;
    state_.changed_at_nanoseconds = time.nanoseconds;
  }
  singles_.clear();
  singles_order_.clear();
  noted_.batch.state = state_to_store();
}

void MailboxReplica::take_exact_size(Uid uid, std::uint64_t size, Job then) {
  {
    const Lock lock(mutex_);
    bool changed = false;
    if (const auto single = singles_.find(uid); single != singles_.end()) {
      changed = single->second.size != size;
      single->second.size = size;
      single->second.size_is_exact = true;
    }
    const auto before = table_->find(uid);
    if (before && table_->set_exact_size(uid, size)) {
      changed = changed || before->size != size;
      noted_.batch.exact_sizes.push_back({uid, size});
    }
    if (changed) change().attributes_changed.push_back(uid);
  }
  publish();
  if (!then) return;
  strand_.post(std::move(then));
  strand_.drain();
}

ChangeListener::MailboxChange& MailboxReplica::change() {
  if (noted_.changes.empty()) noted_.changes.emplace_back();
  auto& change = noted_.changes.back();
  if (change.path.empty()) {
    change.mailbox = identity_.id;
    change.path = identity_.path;
    change.received = received_.value_or(SteadyClock::now());
  }
  return change;
}

void MailboxReplica::witness_change() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now);
  state_.changed_at = seconds.count();
  state_.changed_at_nanoseconds = static_cast<std::uint32_t>(std::chrono::nanoseconds(now - seconds).count());
  if (table_->complete()) noted_.batch.state = state_to_store();
}

store::MailboxState MailboxReplica::state_to_store() const {
  store::MailboxState state = state_;
  state.complete = table_->complete();
  // Of an unfinished listing the rows up to here are worth something.
  if (!state.complete) state.uid_next = Uid{listed_up_to_.value == UINT32_MAX ? UINT32_MAX : listed_up_to_.value + 1};
  state.name_template = dependencies_.names.text();
  return state;
}

void MailboxReplica::publish_when_large() {
  bool large = false;
  {
    const Lock lock(mutex_);
    large = noted_.batch.upserts.memory_bytes() >= most_held_octets ||
            noted_.batch.flag_changes.size() >= flag_changes_at_once ||
            (!noted_.changes.empty() && noted_.changes.back().added.size() >= announced_rows);
  }
  if (large) publish();
}

void MailboxReplica::publish_unless_rows_only() {
  {
    const Lock lock(mutex_);
    if (noted_.changes.empty() && noted_.unused_names.empty() && !noted_.batch.forget_all) return;
  }
  publish();
}

void MailboxReplica::publish() {
  {
    const Lock lock(mutex_);
    Noted noted = std::exchange(noted_, {});
    std::erase_if(noted.changes, [](const auto& change) { return change.path.empty(); });
    if (is_empty(noted.batch) && noted.changes.empty() && noted.unused_names.empty()) return;
    noted.batch.mailbox = identity_.name;
    auto shared = std::make_shared<Noted>(std::move(noted));
    // Posted under the lock: what is announced later was noted later.
    strand_.post([this, shared] { announce(std::move(*shared)); });
  }
  strand_.drain();
}

void MailboxReplica::announce(Noted noted) {
  if (!is_empty(noted.batch)) dependencies_.store.apply(std::move(noted.batch));
  for (const auto& change : noted.changes) {
    ++telemetry::counters().changes_seen;
    dependencies_.listener.on_mailbox_changed(change);
  }
  if (!dependencies_.names_unused) return;
  for (const auto& unused : noted.unused_names)
    dependencies_.names_unused(identity_.name, unused.uid_validity, unused.uids);
}

}  // namespace imapfs::sync
