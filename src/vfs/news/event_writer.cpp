#include "vfs/news/event_writer.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/change_publisher.hpp"

namespace imapfs::vfs {

namespace {

nlohmann::json mailbox_event(const char* event, const std::string& path) {
  return {{"event", event}, {"path", path}, {"mailbox", path}};
}

}  // namespace

void EventWriter::mailbox_changed(const MailboxChange& change) {
  if (change.everything) events_.append(mailbox_event("reset", change.path));
  log_entries(change, "removed", change.removed);
  log_entries(change, "added", change.added);
  log_entries(change, "removed", change.removed_by_us);
  log_entries(change, "added", change.added_by_us);
  log_uids(change, "size", change.attributes_changed);
  log_uids(change, "flags", change.flags_changed);
}

void EventWriter::log_entries(const MailboxChange& change, const char* event,
                              const std::vector<MailboxChange::Entry>& entries) {
  if (entries.size() > ChangePublisher::max_single_entries)
    return events_.append(mailbox_event("overflow", change.path));
  for (const auto& entry : entries) {
    events_.append({{"event", event},
                    {"path", fmt::format("{}/{}", change.path, entry.file_name)},
                    {"mailbox", change.path},
                    {"uid", entry.uid.value}});
  }
}

void EventWriter::log_uids(const MailboxChange& change, const char* event, const std::vector<Uid>& uids) {
  if (uids.empty()) return;
  if (uids.size() > ChangePublisher::max_single_entries) return events_.append(mailbox_event("overflow", change.path));
  const sync::MailboxReader* mailboxes = mailboxes_;
  const auto table = mailboxes ? mailboxes->table(change.mailbox) : nullptr;
  std::vector<MailboxChange::Entry> named;
  for (const Uid uid : uids) {
    const auto message = table ? table->find(uid) : std::nullopt;
    // Gone again in the meantime: "removed" follows or was said.
    if (message) named.push_back({uid, message->file_name});
  }
  log_entries(change, event, named);
}

void EventWriter::tree_changed(const sync::TreeChange& change) {
  for (const auto& directory : change.removed) events_.append(mailbox_event("mailbox-removed", directory.path));
  for (const auto& directory : change.added) events_.append(mailbox_event("mailbox-added", directory.path));
  for (const auto& directory : change.removed_by_us) events_.append(mailbox_event("mailbox-removed", directory.path));
  for (const auto& directory : change.added_by_us) events_.append(mailbox_event("mailbox-added", directory.path));
}

void EventWriter::change_refused(const std::string& operation, const std::string& path, const Error& error) {
  events_.append(
      {{"event", "refused"}, {"operation", operation}, {"path", path}, {"reason", telemetry::printable(error.what)}});
}

void EventWriter::online(bool online, const std::string& reason) {
  nlohmann::json event = {{"event", online ? "online" : "offline"}};
  if (!reason.empty()) event["reason"] = telemetry::printable(reason);
  events_.append(event);
}

}  // namespace imapfs::vfs
