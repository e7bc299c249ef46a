#include "sync/account_status.hpp"

#include <ctime>
#include <nlohmann/json.hpp>

#include "imapfs/base/notices.hpp"
#include "imapfs/base/telemetry.hpp"

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

std::string state_of(MailboxReplica& replica) {
  const bool complete = replica.table()->complete();
  if (replica.gate().running()) return complete ? "checking" : "listing";
  if (complete) return "complete";
  return replica.table()->size() > 0 ? "partial" : "unlisted";
}

json describe(const AccountStatus::OfMailbox& mailbox) {
  return {{"path", mailbox.path},
          {"state", mailbox.state},
          {"messages", mailbox.messages},
          {"uidvalidity", mailbox.known.uid_validity.value},
          {"uidnext", mailbox.known.uid_next.value},
          {"highestmodseq", mailbox.known.highest_modseq.value},
          {"method", mailbox.method ? json(std::string(to_string(*mailbox.method))) : json(nullptr)},
          {"synced", iso_time(mailbox.synced_at)},
          {"age", mailbox.age ? json(mailbox.age->count()) : json(nullptr)},
          {"memory", mailbox.memory_bytes},
          {"watched_by", text_or_null(mailbox.watched_by)},
          {"in_doubt", mailbox.known.in_doubt},
          {"error", text_or_null(mailbox.last_error)}};
}

json describe(const imap::ConnectionStatus& connection) {
  return {{"name", connection.name},
          {"connection", text_or_null(connection.description)},
          {"mailbox", text_or_null(connection.mailbox)},
          {"doing", text_or_null(connection.doing)}};
}

json describe(const MailboxWatch::Snapshot& watch) {
  return {{"name", watch.name},
          {"connection", text_or_null(watch.description)},
          {"mailbox", watch.path},
          {"doing", watch.watching ? json("watch") : text_or_null(watch.reason)}};
}

json describe(const imap::ServerTraits& traits) {
  json capabilities = json::array();
  for (const auto& word : traits.capabilities.words()) capabilities.push_back(telemetry::printable(word));
  json quirks = json::array();
  for (const auto quirk : traits.quirks) quirks.push_back(std::string(imap::to_string(quirk)));
  json id = json::object();
  for (const auto& [key, value] : traits.id) id[telemetry::printable(key)] = telemetry::printable(value);
  return {{"capabilities", capabilities}, {"quirks", quirks}, {"id", id}};
}

/// Adds the counters, notices and last errors of the process.
void add_telemetry(json& result) {
  result["counters"] = json::object();
  for (const auto& [name, value] : telemetry::counter_values()) result["counters"][std::string(name)] = value;
  result["warnings"] = json::array();
  for (const auto& notice : notices().all())
    result["warnings"].push_back({{"topic", notice.topic}, {"text", notice.text}, {"since", iso_time(notice.since)}});
  result["errors"] = json::array();
  for (const auto& [time, line] : telemetry::recent_errors())
    result["errors"].push_back({{"time", iso_time(time)}, {"text", line}});
}

}  // namespace

AccountStatus::OfMailbox status_of(const MailboxPointer& mailbox) {
  auto& replica = mailbox->replica;
  const auto activity = mailbox->activity.with_lock([](const Mailbox::Activity& state) { return state; });
  AccountStatus::OfMailbox status;
  status.path = replica.identity().path;
  status.state = state_of(replica);
  status.messages = replica.table()->size();
  status.memory_bytes = replica.table()->memory_bytes();
  status.known = replica.record().known();
  status.synced_at = activity.synced_at;
  if (activity.synced_at != 0) status.method = activity.method;
  if (activity.checked != SteadyClock::time_point{})
    status.age = std::chrono::duration_cast<std::chrono::seconds>(SteadyClock::now() - activity.checked);
  status.watched_by = activity.watched_by;
  status.last_error = activity.last_error;
  return status;
}

json to_json(const AccountStatus& status) {
  json result;
  result["account"] = status.account;
  result["online"] = status.pool.online;
  result["last_error"] = text_or_null(status.pool.last_error);
  result["queued"] = status.pool.queued;
  result["connections"] = json::array();
  for (const auto& connection : status.pool.connections) result["connections"].push_back(describe(connection));
  for (const auto& watch : status.watches) result["connections"].push_back(describe(watch));
  result["mailboxes"] = json::array();
  for (const auto& mailbox : status.mailboxes) result["mailboxes"].push_back(describe(mailbox));
  result["cache"] = {{"bytes", status.cache.bytes},
                     {"bodies", status.cache.bodies},
                     {"limit", status.cache.limit},
                     {"memory", status.cache.memory_bytes},
                     {"disk_usable", status.cache.disk_usable}};
  result["store"] = {{"bytes", status.store.usage.bytes},
                     {"messages", status.store.usage.messages},
                     {"disabled", status.store.disabled},
                     {"error", text_or_null(status.store.last_error)}};
  result["changes"] = {{"pending", status.changes.pending},
                       {"refused", status.changes.refused},
                       {"oldest_seconds", status.changes.oldest_seconds}};
  result["server"] = status.traits ? describe(*status.traits) : json(nullptr);
  if (status.traits) result["server"]["idle"] = status.idle;
  add_telemetry(result);
  return result;
}

}  // namespace imapfs::sync
