#include "sync/mailbox/mailbox_news.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {
namespace {

/// A listing's rows are kept from the store up to this many bytes: while it runs, the processor should work on rows
/// that somebody waits for. After an aborted listing, stored rows count only up to the end of a command anyway.
constexpr std::size_t most_held_bytes = 32 << 20;
constexpr std::size_t flag_changes_at_once = 2000;
constexpr std::size_t announced_rows = 256;

bool is_empty(const store::MetadataStore::Batch& batch) {
  return !batch.forget_all && batch.upserts.empty() && batch.flag_changes.empty() && batch.exact_sizes.empty() &&
         batch.removals.empty() && !batch.state;
}

}  // namespace

MailboxNews::MailboxNews(const MailboxIdentity& identity, StoreWriter& store, ChangeListener& listener,
                         NamesUnused names_unused)
    : identity_(identity), store_(store), listener_(listener), names_unused_(std::move(names_unused)) {}

MailboxNews::Change& MailboxNews::change() {
  if (noted_.changes.empty()) noted_.changes.emplace_back();
  auto& change = noted_.changes.back();
  if (change.path.empty()) {
    change.mailbox = identity_.id;
    change.path = identity_.path;
    change.received = received_.value_or(SteadyClock::now());
  }
  return change;
}

MailboxNews::Change& MailboxNews::change_for_removal() {
  if (!noted_.changes.empty() && !noted_.changes.back().added.empty()) noted_.changes.emplace_back();
  return change();
}

void MailboxNews::everything_changed() {
  noted_.changes.emplace_back();
  change().everything = true;
}

void MailboxNews::forget_stored_rows() {
  noted_.batch = {};
  noted_.batch.forget_all = true;
}

void MailboxNews::names_unused(UidValidity validity, UidSet uids) {
  noted_.unused_names.push_back({validity, std::move(uids)});
}

void MailboxNews::received(std::optional<SteadyClock::time_point> time) {
  const auto held = lock();
  received_ = time;
}

void MailboxNews::publish_when_large() {
  bool large = false;
  {
    const auto held = lock();
    large = noted_.batch.upserts.memory_bytes() >= most_held_bytes ||
            noted_.batch.flag_changes.size() >= flag_changes_at_once ||
            (!noted_.changes.empty() && noted_.changes.back().added.size() >= announced_rows);
  }
  if (large) publish();
}

void MailboxNews::publish_unless_rows_only() {
  {
    const auto held = lock();
    if (noted_.changes.empty() && noted_.unused_names.empty() && !noted_.batch.forget_all) return;
  }
  publish();
}

void MailboxNews::publish() {
  {
    const auto held = lock();
    Noted noted = std::exchange(noted_, {});
    std::erase_if(noted.changes, [](const auto& change) { return change.path.empty(); });
    if (is_empty(noted.batch) && noted.changes.empty() && noted.unused_names.empty()) return;
    noted.batch.mailbox = identity_.name;
    auto shared = std::make_shared<Noted>(std::move(noted));
    // Posted under the lock, so that news are announced in the order in which they were noted.
    strand_.post([this, shared] { announce(std::move(*shared)); });
  }
  strand_.drain();
}

void MailboxNews::publish_before(Job then) {
  publish();
  if (!then) return;
  strand_.post(std::move(then));
  strand_.drain();
}

void MailboxNews::announce(Noted noted) {
  if (!is_empty(noted.batch)) store_.apply(std::move(noted.batch));
  for (const auto& change : noted.changes) {
    ++telemetry::counters().changes_seen;
    listener_.on_mailbox_changed(change);
  }
  if (!names_unused_) return;
  for (const auto& unused : noted.unused_names) names_unused_(identity_.name, unused.uid_validity, unused.uids);
}

}  // namespace imapfs::sync
