#include "sync/changes/batch_item.hpp"

#include <utility>

namespace imapfs::sync {

UidSet uids_without_outcome(const BatchItems& items) {
  std::vector<Uid> uids;
  for (const auto& item : items)
    if (item.outcome == BatchItem::Outcome::none) uids.push_back(item.change.source.uid);
  return UidSet::of(std::move(uids));
}

void finish_all(BatchItems& items, const store::JournalLocation& where) {
  for (auto& item : items) {
    if (item.outcome != BatchItem::Outcome::none) continue;
    item.outcome = BatchItem::Outcome::done;
    if (!where.mailbox.empty()) item.arrived = {where.mailbox, where.uid_validity, item.change.source.uid};
  }
}

}  // namespace imapfs::sync
