#include "sync/changes/lost_appends.hpp"

#include <utility>

#include "sync/changes/arrivals.hpp"
#include "sync/changes/sent_content.hpp"

namespace imapfs::sync {
namespace {

Result<void> look_up_append(BatchItem& item, const MailboxPointer& destination, const CommandDependencies& dependencies,
                            imap::Session& session, const CallContext& context) {
  const auto& change = item.change;
  Uid found;
  if (change.sent) {
    const DestinationPoint point{change.destination_validity, change.destination_uid_next};
    auto candidates = IMAPFS_TRY(fetch_candidates(session, destination, point, dependencies, context));
    found = IMAPFS_TRY(find_sent(session, destination, change, std::move(candidates), dependencies, context));
  }
  if (found.value == 0) {
    item.outcome = BatchItem::Outcome::again;
    return {};
  }
  item.outcome = BatchItem::Outcome::done;
  item.arrived = {change.destination, change.destination_validity, found};
  const auto content = content_to_send(dependencies.journal.staging_path(change.staged));
  // What the user has removed meanwhile is not to be kept.
  item.keeps_staged = content ? !was_sent_by(change, *content) : content.error().errnum != ENOENT;
  return {};
}

}  // namespace

Result<void> look_up_appends(BatchItems& items, const MailboxPointer& destination,
                             const CommandDependencies& dependencies, imap::Session& session,
                             const CallContext& context) {
  for (auto& item : items)
    if (item.outcome == BatchItem::Outcome::none)
      IMAPFS_TRY(look_up_append(item, destination, dependencies, session, context));
  return {};
}

}  // namespace imapfs::sync
