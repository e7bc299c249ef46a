#include "sync/mailbox/mailbox_comparison.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace imapfs::sync {

Result<bool> MailboxComparison::reconcile(imap::Session& session, const CallContext& context, const UidSet& named,
                                          By by) {
  // An incomplete answer may lack new messages.
  if (named.count() < MessageFetch::counted(session) && order_ == nullptr) {
    const auto fresh = UidSet::range(std::max(uid_next_, Uid{1}), highest_uid);
    IMAPFS_TRY(fetch_.fetch_rows(session, context, fresh, nullptr));
  }
  auto difference = compare_uids(replica_.table()->uids(), named);
  IMAPFS_TRY(fetch_.fetch_missing(session, context, std::move(difference.missing), order_));
  return remove_absent(session, context, std::move(difference.gone), named, by);
}

/// `absent`: UIDs in the table that are not in `named`.
Result<bool> MailboxComparison::remove_absent(imap::Session& session, const CallContext& context, UidSet absent,
                                              const UidSet& named, By by) {
  const auto& table = *replica_.table();
  const auto still_known = [&] { absent = common(absent, table.uids()); };
  still_known();
  const auto accounted = [&](std::uint64_t others) {
    return table.size() + others >= MessageFetch::counted(session) + absent.count();
  };
  // SEARCH may have returned numbers that are not UIDs, even if as many.
  const bool unclear = by == By::search || absent.count() * 2 > table.size() ||
                       !accounted(replica_.count().unaccounted());
  if (!absent.empty() && unclear) absent = subtract(absent, IMAPFS_TRY(present_of(session, context, absent)));
  still_known();
  // A message that was named but cannot be fetched is still there.
  const auto without_row = by == By::rows ? subtract(named, table.uids()).count() : 0;
  if (!absent.empty() && !accounted(std::max(replica_.count().unaccounted(), without_row))) return false;
  replica_.take_vanished(absent);
  replica_.count().compared(MessageFetch::counted(session));
  return true;
}

Result<UidSet> MailboxComparison::present_of(imap::Session& session, const CallContext& context, const UidSet& uids) {
  std::vector<Uid> present;
  auto left = uids;
  while (!left.empty()) {
    const auto chunk = take_first(left, fetch_.chunk_size(session));
    const auto part = IMAPFS_TRY(fetch_.present_in(session, context, chunk));
    present.insert(present.end(), part.begin(), part.end());
  }
  return UidSet::of(std::move(present));
}

}  // namespace imapfs::sync
