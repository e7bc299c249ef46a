// /.imapfs/status of SyncEngine. Answers from memory; may be called on a FUSE thread.

#include <ctime>
#include <nlohmann/json.hpp>

#include "imapfs/base/notices.hpp"
#include "imapfs/base/telemetry.hpp"
#include "sync/changes/changes.hpp"
#include "sync/sync_engine_implementation.hpp"

namespace imapfs::sync {
namespace {

using nlohmann::json;

json iso_time(UnixTime time) {
  if (time == 0) return nullptr;
  const std::time_t seconds = time;
  std::tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr) return nullptr;
  char text[32];
  if (std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) return nullptr;
  return text;
}

json text_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  return telemetry::printable(text);
}

std::string state_of(const MailboxPointer& mailbox) {
  const bool complete = mailbox->replica.table()->complete();
  if (mailbox->replica.gate().running()) return complete ? "checking" : "listing";
  if (complete) return "complete";
  return mailbox->replica.table()->size() > 0 ? "partial" : "unlisted";
}

json describe(const MailboxPointer& mailbox) {
  const auto known = mailbox->replica.record().known();
  const auto table = mailbox->replica.table();
  const auto activity = mailbox->activity.with_lock([](const Mailbox::Activity& state) { return state; });
  json age = nullptr;
  if (activity.checked != SteadyClock::time_point{})
    age = std::chrono::duration_cast<std::chrono::seconds>(SteadyClock::now() - activity.checked).count();
  return {{"path", mailbox->replica.identity().path},
          {"state", state_of(mailbox)},
          {"messages", table->size()},
          {"uidvalidity", known.uid_validity.value},
          {"uidnext", known.uid_next.value},
          {"highestmodseq", known.highest_modseq.value},
          {"method", activity.synced_at == 0 ? json(nullptr) : json(std::string(to_string(activity.method)))},
          {"synced", iso_time(activity.synced_at)},
          {"age", age},
          {"memory", table->memory_bytes()},
          {"watched_by", text_or_null(activity.watched_by)},
          {"in_doubt", known.in_doubt},
          {"error", text_or_null(activity.last_error)}};
}

json describe_server(const imap::ServerTraits& traits) {
  json capabilities = json::array();
  for (const auto& word : traits.capabilities.words()) capabilities.push_back(telemetry::printable(word));
  json quirks = json::array();
  for (const auto quirk : traits.quirks) quirks.push_back(std::string(imap::to_string(quirk)));
  json id = json::object();
  for (const auto& [key, value] : traits.id) id[telemetry::printable(key)] = telemetry::printable(value);
  return {{"capabilities", capabilities}, {"quirks", quirks}, {"id", id}};
}

}  // namespace

/// What is known of the server's IDLE.
std::string_view EngineImplementation::idle_text(Idle idle) {
  switch (idle) {
    case Idle::unproved: return "unproved";
    case Idle::heard: return "tells";
    case Idle::silent: return "silent";
  }
  return "unknown";
}

json EngineImplementation::status() const {
  json result;
  const auto pool = pool_ ? pool_->status() : imap::PoolStatus{};
  result["account"] = settings_.account;
  result["online"] = pool.online;
  result["last_error"] = text_or_null(pool.last_error);
  result["queued"] = pool.queued;
  result["connections"] = json::array();
  for (const auto& connection : pool.connections)
    result["connections"].push_back({{"name", connection.name},
                                     {"connection", text_or_null(connection.description)},
                                     {"mailbox", text_or_null(connection.mailbox)},
                                     {"doing", text_or_null(connection.doing)}});
  const auto watches = watches_.with_lock([](const auto& all) { return all; });
  for (const auto& watch : watches) {
    const auto snapshot = watch->snapshot();
    result["connections"].push_back({{"name", snapshot.name},
                                     {"connection", text_or_null(snapshot.description)},
                                     {"mailbox", watch->mailbox()->replica.identity().path},
                                     {"doing", snapshot.watching ? json("watch") : text_or_null(snapshot.reason)}});
  }
  result["mailboxes"] = json::array();
  for (const auto& mailbox : all_mailboxes()) result["mailboxes"].push_back(describe(mailbox));
  if (bodies_) {
    const auto usage = bodies_->usage();
    result["cache"] = {{"bytes", usage.bytes},
                       {"bodies", usage.bodies},
                       {"limit", usage.limit},
                       {"memory", usage.memory_bytes},
                       {"disk_usable", usage.disk_usable}};
  }
  const auto store = store_.snapshot();
  result["store"] = {{"bytes", store.usage.bytes},
                     {"messages", store.usage.messages},
                     {"disabled", store.disabled},
                     {"error", text_or_null(store.last_error)}};
  const auto changes = changes_ ? changes_->status() : Changes::Status{};
  result["changes"] = {
      {"pending", changes.pending}, {"refused", changes.refused}, {"oldest_seconds", changes.oldest_seconds}};
  const auto traits = traits_.with_lock([](const auto& known) { return known; });
  result["server"] = traits ? describe_server(*traits) : json(nullptr);
  if (traits) result["server"]["idle"] = idle_text(idle_);
  result["counters"] = json::object();
  for (const auto& [name, value] : telemetry::counter_values()) result["counters"][std::string(name)] = value;
  result["warnings"] = json::array();
  for (const auto& notice : notices().all())
    result["warnings"].push_back({{"topic", notice.topic}, {"text", notice.text}, {"since", iso_time(notice.since)}});
  result["errors"] = json::array();
  for (const auto& [time, line] : telemetry::recent_errors())
    result["errors"].push_back({{"time", iso_time(time)}, {"text", line}});
  return result;
}

}  // namespace imapfs::sync
