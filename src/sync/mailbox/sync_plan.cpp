#include "sync/mailbox/sync_plan.hpp"

#include <algorithm>

#include "imapfs/model/identity.hpp"

namespace imapfs::sync {
namespace {

constexpr UnixTime year_1990 = 631'152'000;
constexpr UnixTime year_2000 = 946'684'800;

}  // namespace

std::string_view to_string(SyncMethod method) {
  switch (method) {
    case SyncMethod::none: return "none";
    case SyncMethod::listing: return "listing";
    case SyncMethod::qresync: return "qresync";
    case SyncMethod::condstore: return "condstore";
    case SyncMethod::full: return "full";
  }
  return "unknown";
}

bool identity_changed(const KnownMailbox& known, const imap::SelectedMailbox& selected) {
  return known.listed && selected.uid_validity.value_or(UidValidity{}) != known.uid_validity;
}

SyncMethod choose_method(const KnownMailbox& known, const imap::SelectedMailbox& selected, bool condstore) {
  if (!known.complete || identity_changed(known, selected)) return SyncMethod::listing;
  if (known.in_doubt) return SyncMethod::full;
  if (selected.uid_next && selected.uid_next->value != 0 && *selected.uid_next < known.uid_next)
    return SyncMethod::full;
  const auto modseq = selected.highest_modseq.value_or(ModSeq{});
  if (modseq.value == 0 || known.highest_modseq.value == 0 || modseq < known.highest_modseq) return SyncMethod::full;
  if (selected.qresync_applied) return SyncMethod::qresync;
  if (!condstore) return SyncMethod::full;
  const bool same = modseq == known.highest_modseq && selected.messages == known.messages &&
                    selected.uid_next.value_or(Uid{}) == known.uid_next;
  return same ? SyncMethod::none : SyncMethod::condstore;
}

bool may_have_new_messages(const KnownMailbox& known, const imap::SelectedMailbox& selected,
                           std::uint64_t messages_held) {
  if (!selected.uid_next || selected.uid_next->value == 0) return true;
  return *selected.uid_next > known.uid_next || selected.messages > messages_held;
}

UidSet subtract(const UidSet& set, const UidSet& without) {
  UidSet rest;
  auto hole = without.ranges().begin();
  const auto end = without.ranges().end();
  for (const auto& range : set.ranges()) {
    std::uint64_t first = range.first;
    while (hole != end && hole->last < first) ++hole;
    for (auto next = hole; next != end && next->first <= range.last; ++next) {
      if (next->first > first) rest.add(Uid{static_cast<std::uint32_t>(first)}, Uid{next->first - 1});
      first = std::max(first, std::uint64_t{next->last} + 1);
    }
    if (first <= range.last) rest.add(Uid{static_cast<std::uint32_t>(first)}, Uid{range.last});
  }
  return rest;
}

UidDifference compare_uids(const UidSet& known, const UidSet& server) {
  return {subtract(server, known), subtract(known, server)};
}

UidSet common(const UidSet& one, const UidSet& other) { return subtract(one, subtract(one, other)); }

UidSet take_first(UidSet& set, std::uint64_t count) {
  UidSet taken;
  UidSet rest;
  for (const auto& range : set.ranges()) {
    const std::uint64_t length = std::uint64_t{range.last} - range.first + 1;
    const auto here = std::min(length, count);
    count -= here;
    if (here > 0) taken.add(Uid{range.first}, Uid{static_cast<std::uint32_t>(range.first + here - 1)});
    if (here < length) rest.add(Uid{static_cast<std::uint32_t>(range.first + here)}, Uid{range.last});
  }
  set = std::move(rest);
  return taken;
}

DirectoryTime unwitnessed_directory_time(UidValidity validity, Uid uid_next, std::uint64_t messages) {
  DirectoryTime time;
  const UnixTime plausible = validity.value;
  time.seconds = plausible >= year_1990 ? plausible : year_2000;
  const auto text = fmt::format("{}:{}:{}", validity.value, uid_next.value, messages);
  time.nanoseconds = static_cast<std::uint32_t>(stable_hash(text) % 1'000'000'000);
  return time;
}

}  // namespace imapfs::sync
