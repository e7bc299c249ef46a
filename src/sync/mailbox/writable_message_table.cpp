#include "sync/mailbox/writable_message_table.hpp"

#include <algorithm>
#include <mutex>

#include "sync/mailbox/message_table_state.hpp"

namespace imapfs::sync {
namespace {

template <class Visit>
void for_each_in(const RowBlocks& rows, const UidSet& uids, Visit&& visit) {
  for (const auto& range : uids.ranges()) {
    rows.visit_after(Uid{range.first == 0 ? 0 : range.first - 1}, [&](const MessageRow& row) {
      if (row.uid.value > range.last) return false;
      visit(row);
      return true;
    });
  }
}

}  // namespace

void WritableMessageTable::reset(UidValidity validity, bool same_messages) {
  auto fresh = std::make_unique<State>(templates_);
  fresh->uid_validity = validity;
  std::unique_lock lock(mutex_);
  if (same_messages) fresh->places = std::move(state_->places);
  state_.swap(fresh);
  lock.unlock();  // a million rows are freed outside the lock
}

void WritableMessageTable::reserve(std::size_t messages) {
  constexpr std::size_t most = 1 << 22;
  std::unique_lock lock(mutex_);
  state_->rows.reserve(std::min(messages, most));
}

bool WritableMessageTable::upsert(const MessageMeta& meta, bool advance_frontier) {
  if (meta.uid.value == 0) return false;
  std::unique_lock lock(mutex_);
  auto& state = *state_;
  auto* row = state.rows.find(meta.uid);
  const bool is_new = row == nullptr;
  if (is_new) {
    const auto flags = state.flags.acquire(meta.flags);
    row = &state.rows.insert(meta.uid);
    row->flags = flags;
  } else if (!state.flags.is(row->flags, meta.flags)) {
    state.replace_flags(*row, meta.flags);
  }
  row->internal_date = meta.internal_date;
  row->modseq = std::max(row->modseq, meta.modseq);
  if (meta.size_is_exact || row->size_is_exact == 0) {
    row->size = std::min(meta.size, MessageRow::largest_size) & MessageRow::largest_size;
    row->size_is_exact = meta.size_is_exact;
  }
  state.set_name(*row, meta.file_name);
  if (advance_frontier && state.frontier < meta.uid) state.frontier = meta.uid;
  if (!is_new) state.compact_names();
  return is_new;
}

bool WritableMessageTable::set_flags(Uid uid, const FlagSet& flags, ModSeq modseq) {
  std::unique_lock lock(mutex_);
  auto* row = state_->rows.find(uid);
  if (row == nullptr) return false;
  row->modseq = std::max(row->modseq, modseq);
  if (state_->flags.is(row->flags, flags)) return false;
  state_->replace_flags(*row, flags);
  return true;
}

bool WritableMessageTable::set_exact_size(Uid uid, std::uint64_t size) {
  std::unique_lock lock(mutex_);
  auto* row = state_->rows.find(uid);
  if (row == nullptr) return false;
  const auto stored = std::min(size, MessageRow::largest_size);
  if (row->size_is_exact != 0 && row->size == stored) return false;
  row->size = stored & MessageRow::largest_size;
  row->size_is_exact = 1;
  return true;
}

std::vector<WritableMessageTable::Removed> WritableMessageTable::remove(const UidSet& uids) {
  std::vector<Removed> removed;
  std::unique_lock lock(mutex_);
  auto& state = *state_;
  // Names first: a message's given name depends on the others that are removed.
  std::string scratch;
  for_each_in(state.rows, uids, [&](const MessageRow& row) {
    removed.push_back({row.uid, std::string(state.name_of(row, scratch)), state.place_of(row)});
  });
  state.rows.remove(uids, [&](const MessageRow& row) {
    state.names.discard(row.name_length);
    state.flags.release(row.flags);
  });
  state.places.forget(uids);
  state.compact_names();
  return removed;
}

void WritableMessageTable::advance_frontier(Uid uid) {
  std::unique_lock lock(mutex_);
  state_->frontier = std::max(state_->frontier, uid);
}

void WritableMessageTable::set_complete(bool complete) {
  std::unique_lock lock(mutex_);
  state_->complete = complete;
}

std::vector<Uid> WritableMessageTable::set_hidden(const UidSet& uids, bool hidden) {
  std::unique_lock lock(mutex_);
  auto& state = *state_;
  if (hidden) return state.change_places(uids, [&](Uid uid) { return state.places.hide(uid); });
  auto changed = state.places.show(uids);
  std::erase_if(changed, [&](Uid uid) { return state.rows.find(uid) == nullptr; });
  return changed;
}

std::vector<Uid> WritableMessageTable::set_flagged_soon(const UidSet& uids) {
  std::unique_lock lock(mutex_);
  auto& state = *state_;
  return state.change_places(uids, [&](Uid uid) { return state.places.flag_soon(uid); });
}

void WritableMessageTable::set_local_name(Uid uid, const std::string& name) {
  if (uid.value == 0) return;
  std::unique_lock lock(mutex_);
  state_->places.set_local_name(uid, std::string_view(name).substr(0, MessageRow::longest_name));
}

void WritableMessageTable::add_earlier_names(const std::vector<std::pair<Uid, std::string>>& names) {
  std::unique_lock lock(mutex_);
  state_->places.add_earlier_names(names);
}

}  // namespace imapfs::sync
