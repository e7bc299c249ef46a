#include "imap/commands/imap_session.hpp"

#include <algorithm>
#include <utility>

#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/names.hpp"

namespace imapfs::imap {
namespace {

constexpr auto logout_patience = std::chrono::seconds(1);
constexpr std::size_t max_namespaces = 1000;  // libetpan gets only a few bytes anyway

/// The quirk of a server that refuses something with or without UTF8=ACCEPT.
Quirk utf8_quirk(bool enabled) { return enabled ? Quirk::no_utf8_accept : Quirk::needs_utf8_accept; }

bool speaks_of_utf8(std::string_view text) {
  const auto words = upper(text);
  const auto says = [&](std::string_view word) { return words.find(word) != std::string::npos; };
  return says("UTF8") || says("UTF-8") || says("RFC6855") || says("RFC 6855");
}

void add_namespaces(std::vector<Namespace>& result, const mailimap_namespace_item* item, Namespace::Kind kind) {
  if (item == nullptr || item->ns_data_list == nullptr) return;
  for (auto* cell = clist_begin(item->ns_data_list); cell != nullptr && result.size() < max_namespaces;
       cell = clist_next(cell)) {
    const auto* info = static_cast<const mailimap_namespace_info*>(clist_content(cell));
    if (info == nullptr || info->ns_prefix == nullptr) continue;
    result.push_back({kind, info->ns_prefix, {}, info->ns_delimiter});
  }
}

/// Parses `* QUOTA "" (STORAGE 10 512 MESSAGE 3 1000)` from the root's name on. Sets the quota if STORAGE has a limit.
Result<void> take_quota(ResponseReader& reader, std::optional<Quota>& quota) {
  IMAPFS_TRY(parse_name_before(reader, Following::list));
  reader.skip_spaces();
  if (!reader.accept('(')) return {};
  while (!reader.at_end()) {
    reader.skip_spaces();
    if (reader.accept(')')) break;
    const bool is_storage = iequals(reader.atom(), "STORAGE");
    reader.skip_spaces();
    const auto used = reader.number();
    reader.skip_spaces();
    const auto limit = reader.number();
    if (!used || !limit) return {};
    // Several roots may cover a mailbox: use the one with the least free space.
    if (is_storage && (!quota || *limit - std::min(*used, *limit) < quota->limit_kib - quota->used_kib)) {
      quota = Quota{std::min(*used, *limit), *limit};
    }
  }
  return {};
}

}  // namespace

ImapSession::~ImapSession() = default;

ImapSession::ImapSession(std::unique_ptr<Connection> connection, ConnectionCompression compression, Login login)
    : connection_(std::move(connection)), compression_(std::move(compression)), login_(std::move(login)) {
  auto& unsolicited = connection_->channel.unsolicited();
  unsolicited.set_listener(&selection_);
  unsolicited.set_code_listener([this](const Answer& answer) { selection_.take_code(answer); });
  unsolicited.set_name_reader([this](std::string name) { return from_wire(std::move(name)); });
  // A quirk that was known at login has been tried already; finding it again would never end.
  const auto found_out = login_.learned->all().contains(utf8_quirk(login_.utf8));
  if (found_out) return;
  connection_->runner.set_refusal_filter(
      [this](const Answer& answer, Error error) { return judge_refusal(answer, std::move(error)); });
}

/// RFC 6855: a server may hide mail with 8-bit headers from clients that have not enabled UTF8=ACCEPT, and refuse such
/// mail from them (Courier). Other servers fail once it is enabled. In both cases a connection of the other kind is
/// needed; the command may be sent again there.
Error ImapSession::judge_refusal(const Answer& answer, Error error) {
  if (error.lost_connection() || !speaks_of_utf8(answer.text)) return error;
  const bool offered = has("UTF8=ACCEPT") && has("ENABLE");
  if (!login_.utf8 && !offered) return error;
  telemetry::info("imap: the server refuses {} UTF8=ACCEPT: {}", login_.utf8 ? "with" : "without", error.what);
  login_.learned->add({utf8_quirk(login_.utf8)});
  error.scope = Scope::session;
  error.retry = Retry::now;
  return error;
}

std::string ImapSession::description() const {
  return login_.description + ' ' + connection_->channel.transport().description();
}

Result<std::vector<Namespace>> ImapSession::namespaces(const CallContext& context) {
  std::vector<Namespace> result;
  if (!has("NAMESPACE")) return std::vector<Namespace>{Namespace{}};
  mailimap_namespace_data* data = nullptr;
  const EtpanLink::Command namespace_command{"NAMESPACE", {"NAMESPACE"}, false};
  auto outcome = connection_->link.call(namespace_command, context,
                                        [&](mailimap* imap) { return mailimap_namespace(imap, &data); });
  if (data != nullptr) {
    add_namespaces(result, data->ns_personal, Namespace::Kind::personal);
    add_namespaces(result, data->ns_other, Namespace::Kind::other_users);
    add_namespaces(result, data->ns_shared, Namespace::Kind::shared);
    mailimap_namespace_data_free(data);
  }
  if (!outcome) return fail(std::move(outcome).error());
  for (auto& space : result) {
    space.wire_prefix = from_wire(std::move(space.wire_prefix));
    space.prefix = mime::decode_mailbox_name(space.wire_prefix).utf8;
  }
  if (result.empty()) result.emplace_back();
  return result;
}

Result<void> ImapSession::with_current_view(const CallContext& context, const std::function<Result<void>()>& attempt) {
  auto outcome = attempt();
  if (outcome || outcome.error().errnum != ENOENT || outcome.error().scope != Scope::message) return outcome;
  IMAPFS_TRY(noop(context));
  return attempt();
}

Result<void> ImapSession::noop(const CallContext& context) {
  const EtpanLink::Command noop_command{"NOOP", {}, false};
  IMAPFS_TRY(connection_->link.call(noop_command, context, mailimap_noop));
  return {};
}

/// Parsed here because libetpan's quota has 32 bits, which end at 4 TiB.
Result<std::optional<Quota>> ImapSession::quota(const WireName& mailbox, const CallContext& context) {
  std::optional<Quota> result;
  if (!has("QUOTA")) return result;
  auto line = command("GETQUOTAROOT");
  line.string(on_wire(mailbox));
  const auto handler = [&](const Response& response, ResponseReader& reader) -> Result<bool> {
    if (response.is("QUOTAROOT")) return true;
    if (!response.is("QUOTA")) return false;
    IMAPFS_TRY(take_quota(reader, result));
    return true;
  };
  IMAPFS_TRY(connection_->runner.run(line, handler, context));
  return result;
}

void ImapSession::set_silence_watch(SilenceWatch watch) {
  connection_->channel.transport().set_silence_watch(std::move(watch));
}

void ImapSession::logout() {
  const EtpanLink::Command logout_command{"LOGOUT", {}, false};
  const auto context = CallContext::within(logout_patience);
  (void)connection_->link.call(logout_command, context, mailimap_logout);
}

}  // namespace imapfs::imap
