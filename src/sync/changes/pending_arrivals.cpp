#include "sync/changes/pending_arrivals.hpp"

#include <optional>
#include <utility>

namespace imapfs::sync {
namespace {

/// A change that brings a message, with where its bytes are meanwhile.
struct BringingChange {
  store::JournalChange change;
  FlagSet message_flags;
};

/// Source and staged file of the first of the changes that it follows: its bytes are where that one takes them from.
void take_first_source(const ChangeQueue& queue, store::JournalChange& change) {
  auto first = change;
  while (first.source.uid.value == 0 && first.follows.value != 0) {
    const auto* const followed = queue.find(first.follows);
    if (followed == nullptr) return;
    first = followed->change;
    change.source = first.source;
    change.staged = first.staged;
  }
}

PendingArrival arrival_of(const BringingChange& bringing, const Locations& locations) {
  const auto& change = bringing.change;
  PendingArrival arrival;
  arrival.change = change.id;
  arrival.target.mailbox = locations.id_of(change.destination);
  arrival.target.file_name = change.file_name;
  if (change.replaces.uid.value != 0) arrival.target.replaces = locations.from_journal(change.replaces);
  if (change.source.uid.value != 0) arrival.source = locations.from_journal(change.source);
  arrival.meta.size = change.size;
  arrival.meta.internal_date = change.internal_date.value_or(0);
  arrival.meta.flags = bringing.message_flags;
  arrival.meta.file_name = change.file_name;
  arrival.staged = change.staged;
  return arrival;
}

}  // namespace

std::vector<PendingArrival> list_pending_arrivals(const SharedChangeTable& table, const Locations& locations) {
  std::vector<BringingChange> bringing;
  table.with_lock([&](const ChangeTable& changes) {
    for (const auto& [id, pending] : changes.queue.changes()) {
      const auto& change = pending.change;
      if (change.destination.empty() || pending.parked) continue;
      const bool is_append = change.kind == store::JournalChange::Kind::append;
      bringing.push_back({change, is_append ? change.flags.flags : pending.message_flags});
      take_first_source(changes.queue, bringing.back().change);
    }
  });
  std::vector<PendingArrival> arrivals;
  arrivals.reserve(bringing.size());
  for (const auto& change : bringing) arrivals.push_back(arrival_of(change, locations));
  return arrivals;
}

}  // namespace imapfs::sync
