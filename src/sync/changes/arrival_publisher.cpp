#include "sync/changes/arrival_publisher.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "sync/changes/change_errors.hpp"

namespace imapfs::sync {
namespace {

/// What replaces another message is to be seen before that goes. Its row is there by the answer of APPEND.
bool replace_and_are_listed(const std::vector<Arrived>& arrived, MailboxReplica& replica) {
  return std::all_of(arrived.begin(), arrived.end(), [&](const Arrived& item) {
    return item.pending->change.replaces.uid.value != 0 && replica.messages().find(item.place.uid).has_value();
  });
}

}  // namespace

ArrivalPublisher::ArrivalPublisher(Dependencies dependencies) : dependencies_(std::move(dependencies)) {}

void ArrivalPublisher::publish(std::vector<Arrived> arrived, const std::shared_ptr<ArrivalGuard>& guard) {
  std::map<std::string, std::vector<Arrived>> by_destination;
  for (auto& item : arrived) by_destination[item.pending->change.destination].push_back(std::move(item));
  for (auto& [name, items] : by_destination)
    sync_destination(dependencies_.locations.mailbox(name), std::move(items), guard);
}

void ArrivalPublisher::sync_destination(const MailboxPointer& destination, std::vector<Arrived> arrived,
                                        const std::shared_ptr<ArrivalGuard>& guard) {
  const bool needs_sync = destination && destination->replica.table()->complete() &&
                          !replace_and_are_listed(arrived, destination->replica) && !dependencies_.thread.stopping();
  auto show = [this, destination, arrived = std::move(arrived), guard](const Result<void>&) {
    dependencies_.thread.post([this, destination, arrived, guard] { publish_arrivals(destination, arrived); });
  };
  if (needs_sync) dependencies_.bring_in_step(destination, std::move(show));
  else show({});
}

void ArrivalPublisher::publish_arrivals(const MailboxPointer& destination, const std::vector<Arrived>& arrived) {
  if (destination) list_arrivals(destination, arrived);
  for (const auto& item : arrived) {
    const auto& change = item.pending->change;
    dependencies_.table.lock()->arriving.erase(change.id);
    const Result<Arrival> superseded = fail(changed_since_sent());
    dependencies_.waiters.finish(
        *item.pending, item.keeps_staged ? superseded : dependencies_.locations.arrival_of(change, item.place));
  }
}

void ArrivalPublisher::list_arrivals(const MailboxPointer& destination, const std::vector<Arrived>& arrived) {
  auto& replica = destination->replica;
  std::map<UidValidity, std::vector<MailboxReplica::OwnArrival>> own;
  dependencies_.table.with_lock([&](const ChangeTable& table) {
    for (const auto& item : arrived) {
      // On its way out again: it is not to be seen.
      if (item.place.uid.value == 0 || table.queue.is_leaving(item.place)) continue;
      own[item.place.uid_validity].push_back({item.place.uid, item.pending->change.file_name});
    }
  });
  // Nobody may have selected it so far: what came is known by this UIDVALIDITY, above and to changes that follow.
  const auto placed = std::find_if(arrived.begin(), arrived.end(),
                                   [](const Arrived& item) { return item.place.uid.value != 0; });
  if (placed != arrived.end() && replica.table()->uid_validity().value == 0)
    replica.note_validity(placed->place.uid_validity);
  for (const auto& item : arrived) dependencies_.effects.hide_replaced(item.pending->change.replaces);
  for (const auto& [validity, arrivals] : own) {
    replica.own_changes().begin_arrivals();
    replica.own_changes().end_arrivals(validity, arrivals);
  }
  replica.news().publish();
}

}  // namespace imapfs::sync
