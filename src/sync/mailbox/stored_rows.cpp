#include "sync/mailbox/stored_rows.hpp"

#include <optional>
#include <utility>

namespace imapfs::sync {

StoredRows::StoredRows(const MailboxIdentity& identity, WritableMessageTable& table, MailboxNews& news,
                       MailboxRecord& record, LocalNames& local_names, const mime::NameTemplate& names, bool expected)
    : identity_(identity), table_(table), news_(news), record_(record), local_names_(local_names), names_(names),
      load_(expected ? Load::needed : Load::done) {}

StoredRows::LoadTicket StoredRows::await_load(Job then) {
  const auto lock = news_.lock();
  if (load_ == Load::done) return {true, false};
  after_load_.push_back(std::move(then));
  return {false, std::exchange(load_, Load::running) == Load::needed};
}

void StoredRows::load(store::MetadataStore& metadata) {
  const auto state = metadata.state(identity_.name);
  // Names made with another template are useless, and rows cannot be told apart without names.
  const bool usable = state && state->name_template == names_.text();
  const auto last = usable ? read_rows(metadata, *state) : std::nullopt;
  {
    const auto lock = news_.lock();
    if (last) {
      record_.rows_loaded(*state, *last);
    } else {
      record_.nothing_loaded();
      if (state) news_.batch().forget_all = true;
    }
  }
  abandon_load();
}

std::optional<Uid> StoredRows::read_rows(store::MetadataStore& metadata, const store::MailboxState& state) {
  {
    const auto lock = news_.lock();
    table_.reset(state.uid_validity, local_names_.keeps_places(state.uid_validity));
  }
  local_names_.know(state.uid_validity);
  Uid last;
  const bool whole = metadata.for_each_message(identity_.name, [&](const MessageMeta& meta) {
    // Rows of an unfinished listing count only below its last exact UID.
    if (!state.complete && meta.uid >= state.uid_next) return;
    table_.upsert(meta, true);
    last = meta.uid;
  });
  if (whole) return last;
  // Incomplete rows must not pass for the mailbox.
  table_.reset({}, true);
  return std::nullopt;
}

void StoredRows::abandon_load() {
  std::vector<Job> waiting;
  {
    const auto lock = news_.lock();
    load_ = Load::done;
    waiting = std::exchange(after_load_, {});
  }
  for (const auto& job : waiting) job();
}

bool StoredRows::stored_or_listed() const {
  const auto lock = news_.lock();
  return record_.listed() || load_ != Load::done;
}

}  // namespace imapfs::sync
