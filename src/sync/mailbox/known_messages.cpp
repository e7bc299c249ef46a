#include "sync/mailbox/known_messages.hpp"

#include <utility>

#include "sync/mailbox/message_rendering.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t most_singles = 256;

}  // namespace

std::optional<MessageMeta> KnownMessages::find(Uid uid) const {
  if (auto row = table_.find(uid)) return row;
  const auto lock = news_.lock();
  const auto single = singles_.find(uid);
  if (single == singles_.end()) return std::nullopt;
  return local_names_.apply_to(single->second);
}

std::optional<MessageMeta> KnownMessages::find_by_name(const std::string& name) const {
  if (auto row = table_.find_by_name(name)) return row;
  const auto lock = news_.lock();
  const auto listed = [&](Uid uid) {
    const auto single = singles_.find(uid);
    const bool is = single != singles_.end() && !table_.hidden(uid) && !single->second.flags.has(SystemFlag::deleted);
    return is ? &single->second : nullptr;
  };
  for (const Uid uid : table_.uids_named(name))
    if (const auto* single = listed(uid)) return local_names_.apply_to(*single);
  // While our commands bring messages, any UID in a name may be that of an arrival that gets another name.
  if (own_changes_.arriving() && !names_.needs_headers()) return std::nullopt;
  for (const Uid uid : names_.possible_uids(name)) {
    const auto* single = listed(uid);
    if (single == nullptr) continue;
    auto meta = local_names_.apply_to(*single);
    if (meta.file_name == name) return meta;
  }
  return std::nullopt;
}

MessageMeta KnownMessages::take_single(const imap::FetchRow& row) {
  std::string readable;
  const auto fields = mime::listed_fields(mime::header_in_utf8(row.header_block, readable));
  auto meta = render_message(row, fields, names_);
  const auto lock = news_.lock();
  if (const auto size = exact_size(row.uid)) {
    meta.size = *size;
    meta.size_is_exact = true;
  }
  keep(meta);
  return local_names_.apply_to(std::move(meta));
}

void KnownMessages::keep(const MessageMeta& meta) {
  if (singles_.insert_or_assign(meta.uid, meta).second) order_.push_back(meta.uid);
  while (order_.size() > most_singles) {
    singles_.erase(order_.front());
    order_.pop_front();
  }
}

void KnownMessages::take_exact_size(Uid uid, std::uint64_t size, Job then) {
  {
    const auto lock = news_.lock();
    bool changed = false;
    if (const auto single = singles_.find(uid); single != singles_.end()) {
      changed = single->second.size != size;
      single->second.size = size;
      single->second.size_is_exact = true;
    }
    const auto before = table_.find(uid);
    if (before && table_.set_exact_size(uid, size)) {
      changed = changed || before->size != size;
      news_.batch().exact_sizes.push_back({uid, size});
    }
    if (changed) news_.change().attributes_changed.push_back(uid);
  }
  news_.publish_before(std::move(then));
}

std::optional<std::uint64_t> KnownMessages::exact_size(Uid uid) const {
  const auto single = singles_.find(uid);
  if (single == singles_.end() || !single->second.size_is_exact) return std::nullopt;
  return single->second.size;
}

void KnownMessages::take_flags(Uid uid, const FlagSet& flags) {
  if (const auto single = singles_.find(uid); single != singles_.end()) single->second.flags = flags;
}

void KnownMessages::forget(const UidSet& uids) {
  std::erase_if(singles_, [&](const auto& single) { return uids.contains(single.first); });
}

void KnownMessages::clear() {
  singles_.clear();
  order_.clear();
}

}  // namespace imapfs::sync
