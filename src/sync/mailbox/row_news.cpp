#include "sync/mailbox/row_news.hpp"

#include <optional>
#include <utility>

namespace imapfs::sync {

void RowNews::added(Uid uid, bool ours) {
  const auto place = table_.place(uid).value_or(Place::hidden);
  if (place == Place::hidden) return;
  auto& news = news_.change();
  if (place == Place::deleted) {
    news.deleted_changed = true;
  } else {
    (ours ? news.added_by_us : news.added).push_back({uid, table_.find(uid)->file_name});
  }
}

void RowNews::moved(Uid uid, Place before, std::string name_before) {
  if (before == Place::listed) {
    auto& news = news_.change_for_removal();
    news.removed.push_back({uid, std::move(name_before)});
    news.deleted_changed = true;
  } else {
    auto& news = news_.change();
    news.added.push_back({uid, table_.find(uid)->file_name});
    news.deleted_changed = true;
  }
  record_.witness_change();
}

void RowNews::removed(WritableMessageTable::Removed removed) {
  MailboxNews::Change::Entry entry{removed.uid, std::move(removed.file_name)};
  if (removed.place == Place::hidden) {
    news_.change_for_removal().removed_by_us.push_back(std::move(entry));
  } else if (removed.place == Place::deleted) {
    news_.change_for_removal().deleted_changed = true;
  } else {
    news_.change_for_removal().removed.push_back(std::move(entry));
    record_.witness_change();
  }
}

RowNews::Rivals RowNews::rivals_of(const UidSet& uids) const {
  Rivals rivals;
  const auto named = table_.locally_named();
  if (named.empty()) return rivals;
  const auto those = subtract(named, subtract(named, uids));
  for (const auto& range : those.ranges())
    for (std::uint64_t uid = range.first; uid <= range.last; ++uid)
      add_rivals(rivals, table_.local_name(Uid{static_cast<std::uint32_t>(uid)}).value_or(std::string()));
  std::erase_if(rivals, [&](const auto& rival) { return uids.contains(rival.first); });
  return rivals;
}

RowNews::Rivals RowNews::rivals_of(Uid uid, const std::string& new_name) const {
  Rivals rivals;
  add_rivals(rivals, table_.local_name(uid).value_or(std::string()));
  add_rivals(rivals, new_name);
  rivals.erase(uid);
  return rivals;
}

void RowNews::add_rivals(Rivals& rivals, const std::string& name) const {
  if (name.empty()) return;
  for (auto& rival : table_.rivals(name)) rivals.emplace(rival.uid, std::move(rival.file_name));
}

void RowNews::renamed(const Rivals& before) {
  for (const auto& [uid, name] : before) {
    const auto now = table_.place(uid) == Place::listed ? table_.find(uid) : std::nullopt;
    if (!now || now->file_name == name) continue;
    news_.change_for_removal().removed.push_back({uid, name});
    news_.change().added.push_back({uid, now->file_name});
    record_.witness_change();
  }
}

}  // namespace imapfs::sync
