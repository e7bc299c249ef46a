#include "sync/mailbox/mailbox_replica.hpp"

#include <utility>

#include "imapfs/mime/header_decode.hpp"
#include "sync/mailbox/message_rendering.hpp"

namespace imapfs::sync {
namespace {

/// Each removal searches the rows that are kept from the store; this is the most that it searches.
constexpr std::size_t most_rows_to_search = 2000;

/// The store cuts longer fields; this is enough for every useful xattr.
constexpr std::size_t stored_field_bytes = 8192;

/// The raw fields. Decoding them would double the cost of a listing's rows, for xattrs that few read; they are decoded
/// when somebody asks.
store::StoredRows::Headers undecoded(const mime::ListedFields& fields) {
  const auto cut = [](std::string_view value) { return value.substr(0, stored_field_bytes); };
  return {cut(fields.from), cut(fields.subject), cut(fields.date), cut(fields.message_id)};
}

}  // namespace

MailboxReplica::MailboxReplica(Identity identity, Dependencies dependencies, std::optional<store::MailboxState> stored)
    : identity_(std::move(identity)), names_(dependencies.names),
      table_(std::make_shared<WritableMessageTable>(dependencies.names)),
      news_(identity_, dependencies.store, dependencies.listener, std::move(dependencies.names_unused)),
      count_(identity_, *table_, news_), record_(*table_, news_, count_, names_), row_news_(*table_, news_, record_),
      local_names_(identity_, *table_, news_, row_news_, std::move(dependencies.local_names)),
      own_changes_(*table_, news_, record_, row_news_), messages_(*table_, news_, local_names_, own_changes_, names_),
      stored_rows_(identity_, *table_, news_, record_, local_names_, names_, stored.has_value()), rights_(news_) {
  if (!stored) return;
  record_.take_stored(*stored);
  table_->reset(stored->uid_validity);
}

bool MailboxReplica::take_row(const imap::FetchRow& row, bool listing, bool in_order) {
  // A server may send flags of a message unasked, between the requested rows.
  if (!row.size && !row.internal_date && row.header_block.empty()) return take_flags(row);
  if (row.uid.value == 0) return false;
  std::string readable;
  const auto fields = mime::listed_fields(mime::header_in_utf8(row.header_block, readable));
  auto meta = render_message(row, fields, names_);
  const auto lock = news_.lock();
  if (vanished_meanwhile_.contains(row.uid)) return true;
  record_.row_seen(row.uid);
  const auto before = table_->find_original(row.uid);
  if (before) {
    // A UID's name never changes, and a size that was seen replaces one that the server told.
    meta.file_name = before->file_name;
    if (before->size_is_exact) meta.size = before->size;
    meta.size_is_exact = before->size_is_exact;
    // Announced like any other change of flags.
    take_known_flags(row.uid, meta.flags, meta.modseq);
  } else if (const auto size = messages_.exact_size(row.uid)) {
    meta.size = *size;
    meta.size_is_exact = true;
  }
  // A row below the frontier is late: a reader may have passed its place.
  const bool late = row.uid < table_->frontier();
  if (!before) own_changes_.hold_back(row.uid);
  table_->upsert(meta, in_order);
  if (!before) {
    record_.count_revision();
    own_changes_.row_added(row.uid, listing && !late);
    if (!listing) record_.witness_change();
  }
  news_.batch().upserts.add(meta, undecoded(fields));
  return true;
}

bool MailboxReplica::take_flags(const imap::FetchRow& row) {
  if (row.uid.value == 0) return false;
  const auto lock = news_.lock();
  if (row.flags) messages_.take_flags(row.uid, *row.flags);
  if (!table_->place(row.uid)) return false;
  if (row.flags) take_known_flags(row.uid, *row.flags, row.modseq.value_or(ModSeq{}));
  return true;
}

void MailboxReplica::take_known_flags(Uid uid, const FlagSet& flags, ModSeq modseq) {
  const auto place = table_->place(uid).value_or(MessageTable::Place::hidden);
  const bool moves = place != MessageTable::Place::hidden &&
                     flags.has(SystemFlag::deleted) != (place == MessageTable::Place::deleted);
  auto name_before = moves ? table_->find(uid)->file_name : std::string();
  const auto rivals = moves ? row_news_.rivals_of(uid) : RowNews::Rivals();
  if (!table_->set_flags(uid, flags, modseq)) return;
  record_.count_revision();
  news_.batch().flag_changes.push_back({uid, flags, modseq});
  if (moves) row_news_.moved(uid, place, std::move(name_before));
  else news_.change().flags_changed.push_back(uid);
  row_news_.renamed(rivals);
}

void MailboxReplica::take_vanished(const UidSet& uids) {
  auto lock = news_.lock();
  if (news_.batch().upserts.size() > most_rows_to_search) {
    lock.unlock();
    news_.publish();
    lock.lock();
  }
  messages_.forget(uids);
  own_changes_.forget(uids);
  if (syncing_)
    for (const auto& range : uids.ranges()) vanished_meanwhile_.add(Uid{range.first}, Uid{range.last});
  const auto rivals = row_news_.rivals_of(uids);
  local_names_.note_unused(uids);
  auto removed = table_->remove(uids);
  if (removed.empty()) return row_news_.renamed(rivals);
  record_.count_revision();
  news_.batch().upserts.remove(uids);
  for (auto& row : removed) {
    news_.batch().removals.add(row.uid, row.uid);
    own_changes_.row_removed(std::move(row));
  }
  row_news_.renamed(rivals);
}

void MailboxReplica::restart(UidValidity validity) {
  const auto lock = news_.lock();
  local_names_.note_unused(UidSet::range(Uid{1}, Uid{UINT32_MAX}));
  table_->reset(validity);
  local_names_.restart();
  own_changes_.restart();
  messages_.clear();
  vanished_meanwhile_ = {};
  count_.reset();
  record_.restart(validity);
  news_.forget_stored_rows();
  if (!record_.listed()) return;
  news_.everything_changed();
  record_.witness_change();
}

void MailboxReplica::note_validity(UidValidity validity, std::uint64_t messages) {
  {
    const auto lock = news_.lock();
    const bool holds_nothing = table_->size() == 0 && !table_->complete();
    if (holds_nothing && table_->uid_validity() != validity) {
      // The layers above may know files by the old UIDVALIDITY.
      if (table_->uid_validity().value != 0) news_.change().everything = true;
      table_->reset(validity, local_names_.keeps_places(validity));
      record_.note_validity(validity);
      messages_.clear();
    }
  }
  local_names_.know(table_->uid_validity());
  table_->reserve(static_cast<std::size_t>(messages));
}

void MailboxReplica::sync_begins() {
  const auto lock = news_.lock();
  syncing_ = true;
  vanished_meanwhile_ = {};
}

void MailboxReplica::sync_ends() {
  const auto lock = news_.lock();
  syncing_ = false;
  vanished_meanwhile_ = {};
}

void MailboxReplica::in_step_with(const imap::SelectedMailbox& selected) {
  const auto lock = news_.lock();
  const bool first = !table_->complete();
  record_.take_selected(selected);
  const auto validity = selected.uid_validity.value_or(UidValidity{});
  if (table_->uid_validity() != validity && table_->size() == 0)
    table_->reset(validity, local_names_.keeps_places(validity));
  // A name must survive an answer that leaves its message out.
  const auto uid_next = selected.uid_next.value_or(Uid{});
  if (uid_next.value > 1 && count_.clear()) {
    own_changes_.forget(UidSet::range(Uid{1}, Uid{uid_next.value - 1}));
    local_names_.forget_gone(uid_next);
  }
  record_.complete(first);
  messages_.clear();
}

}  // namespace imapfs::sync
