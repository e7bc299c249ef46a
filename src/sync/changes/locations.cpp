#include "sync/changes/locations.hpp"

#include <fmt/format.h>

#include <utility>

namespace imapfs::sync {

Locations::Locations(ById by_id, ByName by_name) : by_id_(std::move(by_id)), by_name_(std::move(by_name)) {}

MailboxId Locations::id_of(const std::string& name) const {
  const auto found = mailbox(name);
  return found ? found->replica.identity().id : MailboxId{};
}

store::JournalLocation Locations::to_journal(const MessageLocation& location) const {
  const auto found = mailbox(location.mailbox);
  if (!found || location.uid.value == 0) return {};
  return {found->replica.identity().name, location.uid_validity, location.uid};
}

MessageLocation Locations::from_journal(const store::JournalLocation& location) const {
  return {id_of(location.mailbox), location.uid_validity, location.uid};
}

Arrival Locations::arrival_of(const store::JournalChange& change, const store::JournalLocation& arrived) const {
  Arrival arrival;
  arrival.message = from_journal(arrived);
  arrival.file_name = change.file_name;
  const auto found = mailbox(arrived.mailbox);
  if (found && arrived.uid.value != 0)
    if (const auto known = found->replica.messages().find(arrived.uid)) arrival.file_name = known->file_name;
  return arrival;
}

void Locations::describe(PendingChange& pending) const {
  auto& change = pending.change;
  pending.operation = operation_of(change);
  const bool is_append = change.kind == store::JournalChange::Kind::append;
  const auto found = mailbox(is_append ? change.destination : change.source.mailbox);
  auto name = change.file_name;
  if (found && change.source.uid.value != 0) {
    if (const auto known = found->replica.messages().find(change.source.uid)) {
      name = known->file_name;
      pending.message_flags = known->flags;
      if (change.size == 0) change.size = known->size;
      if (!change.internal_date) change.internal_date = known->internal_date;
    } else {
      name = fmt::format("{}.eml", change.source.uid.value);
    }
  }
  pending.path = found ? found->replica.identity().path + "/" + name : name;
}

}  // namespace imapfs::sync
