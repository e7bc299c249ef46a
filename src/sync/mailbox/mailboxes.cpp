#include "sync/mailbox/mailboxes.hpp"

#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {
namespace {

template <class Key>
MailboxPointer find_in(const std::map<Key, MailboxPointer>& mailboxes, const Key& key) {
  const auto found = mailboxes.find(key);
  return found == mailboxes.end() ? nullptr : found->second;
}

/// An id moves to another path only by a rename of ours. Most servers then keep UIDVALIDITY, and the kernel, for
/// example, goes on using messages by the old path before the mailbox is selected under its new name. If the server did
/// not keep it, SELECT will tell.
void take_over_renamed(const Mailbox& before, Mailbox& after) {
  if (before.replica.identity().path == after.replica.identity().path) return;
  const auto validity = before.replica.table()->uid_validity();
  if (validity.value != 0) after.replica.note_validity(validity);
}

}  // namespace

MailboxPointer Mailboxes::find(MailboxId id) const {
  return index_.with_lock([&](const Index& index) { return find_in(index.by_id, id); });
}

MailboxPointer Mailboxes::find_wire_name(const imap::WireName& wire_name) const {
  return index_.with_lock([&](const Index& index) { return find_in(index.by_wire_name, wire_name); });
}

MailboxPointer Mailboxes::find_name(const std::string& name) const {
  return index_.with_lock([&](const Index& index) { return find_in(index.by_name, name); });
}

MailboxPointer Mailboxes::use(MailboxId id) const {
  auto mailbox = find(id);
  if (mailbox) mailbox->activity.lock()->accessed = SteadyClock::now();
  return mailbox;
}

std::vector<MailboxPointer> Mailboxes::all() const {
  return index_.with_lock([](const Index& index) {
    std::vector<MailboxPointer> mailboxes;
    for (const auto& [id, mailbox] : index.by_id) mailboxes.push_back(mailbox);
    return mailboxes;
  });
}

std::vector<MailboxPointer> Mailboxes::adopt(std::vector<Listed> listed) {
  const auto before = index_.with_lock([](const Index& index) { return index; });
  Index after;
  for (auto& [identity, status] : listed) {
    auto mailbox = find_in(before.by_id, identity.id);
    const bool same = mailbox && mailbox->replica.identity().name == identity.name &&
                      mailbox->replica.identity().wire_name == identity.wire_name;
    if (!same) mailbox = make(std::move(identity), before);
    mailbox->activity.lock()->listed = status;
    const auto& kept = mailbox->replica.identity();
    after.by_wire_name[kept.wire_name] = mailbox;
    after.by_name[kept.name] = mailbox;
    after.by_id[kept.id] = std::move(mailbox);
  }
  std::vector<MailboxPointer> dropped;
  for (const auto& [id, mailbox] : before.by_id)
    if (find_in(after.by_id, id) != mailbox) dropped.push_back(mailbox);
  *index_.lock() = std::move(after);
  return dropped;
}

MailboxPointer Mailboxes::make(MailboxReplica::Identity identity, const Index& before) {
  const auto namesake = find_in(before.by_id, identity.id);
  // Only at the start can the store know a mailbox that is not in memory; reading the store here is allowed then.
  auto stored = before.by_id.empty() ? dependencies_.store.direct().state(identity.name) : std::nullopt;
  auto mailbox = std::make_shared<Mailbox>(std::move(identity), replica_dependencies(), std::move(stored));
  if (namesake) take_over_renamed(*namesake, *mailbox);
  return mailbox;
}

MailboxReplica::Dependencies Mailboxes::replica_dependencies() const {
  MailboxReplica::Dependencies dependencies{dependencies_.names, dependencies_.store, dependencies_.listener};
  if (!dependencies_.journal) return dependencies;
  dependencies.local_names = [journal = dependencies_.journal](const std::string& mailbox, UidValidity validity) {
    auto names = journal->local_names(mailbox, validity);
    if (names) return std::move(*names);
    telemetry::warning("names in {}: {}", telemetry::printable(mailbox), telemetry::printable(names.error().what));
    return std::vector<store::LocalName>();
  };
  // If the thread is busy, the names are forgotten at the next listing of the mailbox.
  dependencies.names_unused = [journal = dependencies_.journal, &helper = dependencies_.helper](
                                  const std::string& mailbox, UidValidity validity, const UidSet& uids) {
    (void)helper.try_post([journal, mailbox, validity, uids] {
      const auto forgotten = journal->forget_local_names(mailbox, validity, uids);
      if (!forgotten) telemetry::warning("forget names: {}", telemetry::printable(forgotten.error().what));
    });
  };
  return dependencies;
}

void Mailboxes::forget(const MailboxPointer& mailbox) {
  const auto name = mailbox->replica.identity().name;
  telemetry::info("mailbox {} is gone", telemetry::printable(mailbox->replica.identity().path));
  dependencies_.store.post([name, bodies = dependencies_.bodies](store::MetadataStore& metadata) {
    metadata.forget_mailbox(name);
    bodies->remove_mailbox(name);
  });
}

void Mailboxes::abandon_loads() {
  for (const auto& mailbox : all()) mailbox->replica.stored_rows().abandon_load();
}

}  // namespace imapfs::sync
