#include "imapfs/sync/message_table.hpp"

#include <algorithm>
#include <mutex>

#include "sync/mailbox/message_table_state.hpp"

namespace imapfs::sync {

void MessageTable::State::set_name(MessageRow& row, std::string_view name) {
  name = name.substr(0, MessageRow::longest_name);
  if (row.name != nullptr && row.file_name() == name) return;
  names.discard(row.name_length);
  row.name = names.store(name);
  row.name_length = name.size() & MessageRow::longest_name;
}

void MessageTable::State::replace_flags(MessageRow& row, const FlagSet& wanted) {
  const auto before = row.flags;
  row.flags = flags.acquire(wanted);
  flags.release(before);
}

void MessageTable::State::compact_names() {
  if (!names.wasteful()) return;
  NameArena compacted;
  rows.visit_all([&](MessageRow& row) { row.name = compacted.store(row.file_name()); });
  names = std::move(compacted);
}

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

MessageTable::MessageTable(mime::NameTemplate templates)
    : templates_(std::move(templates)), state_(std::make_unique<State>(templates_)) {}
MessageTable::~MessageTable() = default;

bool MessageTable::complete() const {
  std::shared_lock lock(mutex_);
  return state_->complete;
}

Uid MessageTable::frontier() const {
  std::shared_lock lock(mutex_);
  return state_->frontier;
}

std::size_t MessageTable::size() const {
  std::shared_lock lock(mutex_);
  return state_->rows.size();
}

UidSet MessageTable::uids() const {
  std::shared_lock lock(mutex_);
  UidSet set;
  Uid first;
  Uid last;
  state_->rows.visit_after(Uid{0}, [&](const MessageRow& row) {
    if (first.value != 0 && row.uid.value != last.value + 1) {
      set.add(first, last);
      first = Uid{};
    }
    if (first.value == 0) first = row.uid;
    last = row.uid;
    return true;
  });
  if (first.value != 0) set.add(first, last);
  return set;
}

UidValidity MessageTable::uid_validity() const {
  std::shared_lock lock(mutex_);
  return state_->uid_validity;
}

std::size_t MessageTable::memory_bytes() const {
  std::shared_lock lock(mutex_);
  return sizeof(*this) + sizeof(State) + state_->rows.memory_bytes() + state_->names.memory_bytes() +
         state_->flags.memory_bytes() + state_->places.memory_bytes();
}

void MessageTable::reset(UidValidity validity, bool same_messages) {
  auto fresh = std::make_unique<State>(templates_);
  fresh->uid_validity = validity;
  std::unique_lock lock(mutex_);
  if (same_messages) fresh->places = std::move(state_->places);
  state_.swap(fresh);
  lock.unlock();  // a million rows are freed outside the lock
}

void MessageTable::reserve(std::size_t messages) {
  constexpr std::size_t most = 1 << 22;
  std::unique_lock lock(mutex_);
  state_->rows.reserve(std::min(messages, most));
}

bool MessageTable::upsert(const MessageMeta& meta, bool advance_frontier) {
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

bool MessageTable::set_flags(Uid uid, const FlagSet& flags, ModSeq modseq) {
  std::unique_lock lock(mutex_);
  auto* row = state_->rows.find(uid);
  if (row == nullptr) return false;
  row->modseq = std::max(row->modseq, modseq);
  if (state_->flags.is(row->flags, flags)) return false;
  state_->replace_flags(*row, flags);
  return true;
}

bool MessageTable::set_exact_size(Uid uid, std::uint64_t size) {
  std::unique_lock lock(mutex_);
  auto* row = state_->rows.find(uid);
  if (row == nullptr) return false;
  const auto stored = std::min(size, MessageRow::largest_size);
  if (row->size_is_exact != 0 && row->size == stored) return false;
  row->size = stored & MessageRow::largest_size;
  row->size_is_exact = 1;
  return true;
}

std::vector<MessageTable::Removed> MessageTable::remove(const UidSet& uids) {
  std::vector<Removed> removed;
  std::unique_lock lock(mutex_);
  auto& state = *state_;
  // Names first: whether a message had its local name depends on the others that go.
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

void MessageTable::advance_frontier(Uid uid) {
  std::unique_lock lock(mutex_);
  state_->frontier = std::max(state_->frontier, uid);
}

void MessageTable::set_complete(bool complete) {
  std::unique_lock lock(mutex_);
  state_->complete = complete;
}

}  // namespace imapfs::sync
