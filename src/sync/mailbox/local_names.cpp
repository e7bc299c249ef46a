#include "sync/mailbox/local_names.hpp"

#include <utility>

namespace imapfs::sync {

LocalNames::LocalNames(const MailboxIdentity& identity, WritableMessageTable& table, MailboxNews& news,
                       RowNews& row_news, Read read)
    : identity_(identity), table_(table), news_(news), row_news_(row_news), read_(std::move(read)) {}

void LocalNames::know(UidValidity validity) {
  if (!read_) return;
  {
    const auto lock = news_.lock();
    if (known_for_ == validity) return;
    known_for_ = validity;
  }
  std::vector<std::pair<Uid, std::string>> names;
  for (auto& local : read_(identity_.name, validity)) names.emplace_back(local.uid, std::move(local.name));
  const auto lock = news_.lock();
  if (table_.uid_validity() != validity) return;
  // Names given since the reading began are newer.
  table_.add_earlier_names(names);
}

bool LocalNames::known() const {
  const auto lock = news_.lock();
  return !read_ || known_for_ == table_.uid_validity();
}

bool LocalNames::keeps_places(UidValidity next) const {
  const auto now = table_.uid_validity();
  return now == next || (now.value == 0 && (!known_for_ || *known_for_ == next));
}

void LocalNames::note_unused(const UidSet& gone) {
  const auto named = table_.locally_named();
  if (named.empty()) return;
  auto unused = subtract(named, subtract(named, gone));
  if (!unused.empty()) news_.names_unused(table_.uid_validity(), std::move(unused));
}

void LocalNames::forget_gone(Uid uid_next) {
  const auto named = table_.locally_named();
  if (named.empty()) return;
  // Messages that came after the SELECT may have no row yet.
  const auto gone = subtract(subtract(named, UidSet::range(uid_next, Uid{UINT32_MAX})), table_.uids());
  if (gone.empty()) return;
  const auto rivals = row_news_.rivals_of(gone);
  note_unused(gone);
  table_.remove(gone);
  row_news_.renamed(rivals);
}

MessageMeta LocalNames::apply_to(MessageMeta meta) const {
  if (!meta.flags.has(SystemFlag::deleted) && !table_.hidden(meta.uid)) {
    meta.file_name = table_.name_if_listed(meta.uid, meta.file_name);
  } else if (auto local = table_.local_name(meta.uid)) {
    meta.file_name = std::move(*local);
  }
  return meta;
}

}  // namespace imapfs::sync
