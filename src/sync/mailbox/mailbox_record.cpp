#include "sync/mailbox/mailbox_record.hpp"

#include <algorithm>
#include <chrono>

namespace imapfs::sync {

KnownMailbox MailboxRecord::known() const {
  const auto lock = news_.lock();
  return {state_.uid_validity, state_.uid_next, state_.highest_modseq, messages_, listed_,
          table_.complete(),   !count_.clear()};
}

DirectoryTime MailboxRecord::directory_time(const MailboxStatus& listed) const {
  const auto lock = news_.lock();
  if (state_.changed_at != 0) return {state_.changed_at, state_.changed_at_nanoseconds};
  if (table_.complete()) return unwitnessed_directory_time(state_.uid_validity, state_.uid_next, messages_);
  return unwitnessed_directory_time(listed.uid_validity.value_or(table_.uid_validity()),
                                    listed.uid_next.value_or(Uid{}), listed.messages.value_or(0));
}

void MailboxRecord::listing_reached(Uid uid, ModSeq modseq) {
  const auto lock = news_.lock();
  listed_ = true;
  listed_up_to_ = uid;
  // Rows may have come out of order: move the table's frontier to the last one.
  const auto highest = std::min(uid, highest_seen_);
  if (table_.place(highest)) table_.advance_frontier(highest);
  state_.highest_modseq = modseq;
  state_.uid_validity = table_.uid_validity();
  note_for_store();
}

Uid MailboxRecord::listed_up_to() const {
  const auto lock = news_.lock();
  return listed_up_to_;
}

void MailboxRecord::in_step_with_watch(ModSeq modseq) {
  const auto lock = news_.lock();
  if (!table_.complete()) return;
  messages_ = count_.messages();
  if (highest_seen_ >= state_.uid_next) state_.uid_next = Uid{highest_seen_.value + 1};
  // If the new one is unknown, keep the old one: the next QRESYNC then repeats some changes, which does no harm.
  state_.highest_modseq = std::max(state_.highest_modseq, modseq);
  note_for_store();
}

void MailboxRecord::row_seen(Uid uid) {
  listed_ = true;
  highest_seen_ = std::max(highest_seen_, uid);
}

void MailboxRecord::witness_change() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now);
  state_.changed_at = seconds.count();
  state_.changed_at_nanoseconds = static_cast<std::uint32_t>(std::chrono::nanoseconds(now - seconds).count());
  if (table_.complete()) note_for_store();
}

void MailboxRecord::restart(UidValidity validity) {
  listed_up_to_ = highest_seen_ = Uid{};
  messages_ = 0;
  ++revision_;
  const auto changed = state_;
  state_ = {};
  state_.uid_validity = validity;
  state_.changed_at = changed.changed_at;
  state_.changed_at_nanoseconds = changed.changed_at_nanoseconds;
}

void MailboxRecord::take_selected(const imap::SelectedMailbox& selected) {
  listed_ = true;
  messages_ = count_.messages();
  state_.uid_validity = selected.uid_validity.value_or(UidValidity{});
  state_.uid_next = std::max(selected.uid_next.value_or(Uid{1}), Uid{highest_seen_.value + 1});
  state_.highest_modseq = selected.highest_modseq.value_or(ModSeq{});
}

void MailboxRecord::complete(bool first) {
  table_.set_complete(true);
  if (first && state_.changed_at == 0) {
    const auto time = unwitnessed_directory_time(state_.uid_validity, state_.uid_next, messages_);
    state_.changed_at = time.seconds;
    state_.changed_at_nanoseconds = time.nanoseconds;
  }
  note_for_store();
}

void MailboxRecord::take_stored(const store::MailboxState& state) { state_ = state; }

void MailboxRecord::rows_loaded(const store::MailboxState& state, Uid last) {
  const auto changed_at = state_.changed_at;
  state_ = state;
  if (changed_at != 0) state_.changed_at = changed_at;
  listed_ = true;
  highest_seen_ = last;
  listed_up_to_ = state.complete || state.uid_next.value == 0 ? last : Uid{state.uid_next.value - 1};
  messages_ = table_.size();
  table_.set_complete(state.complete);
}

void MailboxRecord::note_for_store() {
  auto state = state_;
  state.complete = table_.complete();
  // Rows of an unfinished listing are useful up to here.
  if (!state.complete) state.uid_next = Uid{listed_up_to_.value == UINT32_MAX ? UINT32_MAX : listed_up_to_.value + 1};
  state.name_template = names_.text();
  news_.batch().state = std::move(state);
}

}  // namespace imapfs::sync
