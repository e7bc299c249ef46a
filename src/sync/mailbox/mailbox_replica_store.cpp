// Stored rows and single rows of a MailboxReplica.

#include <algorithm>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/header_decode.hpp"
#include "sync/mailbox/mailbox_replica.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t singles_limit = 256;

}  // namespace

MailboxReplica::LoadTicket MailboxReplica::await_load(Job then) {
  const Lock lock(mutex_);
  if (load_ == Load::done) return {true, false};
  after_load_.push_back(std::move(then));
  return {false, std::exchange(load_, Load::running) == Load::needed};
}

void MailboxReplica::load(store::MetadataStore& metadata) {
  const auto state = metadata.state(identity_.name);
  // Names made with another template are of no use, and rows cannot be told from each other without names.
  bool usable = state && state->name_template == dependencies_.names.text();
  Uid last;
  if (usable) {
    {
      const Lock lock(mutex_);
      table_->reset(state->uid_validity, keeps_places(state->uid_validity));
    }
    know_local_names(state->uid_validity);
    usable = metadata.for_each_message(identity_.name, [&](const MessageMeta& meta) {
      // Of an unfinished listing only what lies below its last exact UID counts.
      if (!state->complete && meta.uid >= state->uid_next) return;
      table_->upsert(meta, true);
      last = meta.uid;
    });
    // Rows that break off half-way must not pass for the mailbox.
    if (!usable) table_->reset({}, true);
  }
  if (usable) {
    const Lock lock(mutex_);
    const auto changed = state_;
    state_ = *state;
    if (changed.changed_at != 0) state_.changed_at = changed.changed_at;
    listed_ = true;
    highest_seen_ = last;
    listed_up_to_ = state->complete || state->uid_next.value == 0 ? last : Uid{state->uid_next.value - 1};
    messages_ = table_->size();
    table_->set_complete(state->complete);
  } else {
    const Lock lock(mutex_);
    state_ = {};
    if (state) noted_.batch.forget_all = true;
  }
  abandon_load();
}

void MailboxReplica::abandon_load() {
  std::vector<Job> waiting;
  {
    const Lock lock(mutex_);
    load_ = Load::done;
    waiting = std::exchange(after_load_, {});
  }
  for (const auto& job : waiting) job();
}

void MailboxReplica::note_validity(UidValidity validity) {
  {
    const Lock lock(mutex_);
    const bool holds_nothing = table_->size() == 0 && !table_->complete();
    if (holds_nothing && table_->uid_validity() != validity) {
      if (table_->uid_validity().value != 0) change().everything = true;  // files by the old numbers may be known above
      table_->reset(validity, keeps_places(validity));
      state_.uid_validity = validity;
      singles_.clear();
      singles_order_.clear();
    }
  }
  know_local_names(table_->uid_validity());
}

MessageMeta MailboxReplica::take_single(const imap::FetchRow& row) {
  std::string readable;
  auto meta = render(row, mime::listed_fields(mime::header_in_utf8(row.header_block, readable)));
  const Lock lock(mutex_);
  if (const auto known = singles_.find(row.uid); known != singles_.end() && known->second.size_is_exact) {
    meta.size = known->second.size;
    meta.size_is_exact = true;
  }
  keep_single(meta);
  return with_local_name(std::move(meta));
}

void MailboxReplica::keep_single(const MessageMeta& meta) {
  if (singles_.insert_or_assign(meta.uid, meta).second) singles_order_.push_back(meta.uid);
  while (singles_order_.size() > singles_limit) {
    singles_.erase(singles_order_.front());
    singles_order_.pop_front();
  }
}

std::optional<MessageMeta> MailboxReplica::find(Uid uid) const {
  if (auto row = table_->find(uid)) return row;
  const Lock lock(mutex_);
  const auto single = singles_.find(uid);
  if (single == singles_.end()) return std::nullopt;
  return with_local_name(single->second);
}

std::optional<MessageMeta> MailboxReplica::find_by_name(const std::string& name) const {
  if (auto row = table_->find_by_name(name)) return row;
  const Lock lock(mutex_);
  const auto listed = [&](Uid uid) {
    const auto single = singles_.find(uid);
    const bool is = single != singles_.end() && !table_->hidden(uid) && !single->second.flags.has(SystemFlag::deleted);
    return is ? &single->second : nullptr;
  };
  for (const Uid uid : table_->uids_named(name))
    if (const auto* single = listed(uid)) return with_local_name(*single);
  // Any number may be that of a message that a command of ours is bringing under another name.
  if (arrivals_ > 0 && !dependencies_.names.needs_headers()) return std::nullopt;
  for (const Uid uid : dependencies_.names.possible_uids(name)) {
    const auto* single = listed(uid);
    if (single == nullptr) continue;
    auto meta = with_local_name(*single);
    if (meta.file_name == name) return meta;
  }
  return std::nullopt;
}

}  // namespace imapfs::sync
