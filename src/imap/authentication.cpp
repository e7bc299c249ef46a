#include "imapfs/imap/authentication.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <optional>

#include <sasl/sasl.h>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/imap/response_values.hpp"

namespace imapfs::imap {
namespace {

constexpr std::size_t max_id_fields = 30;
constexpr std::size_t max_id_value = 1024;

/// A string that leaves no copy behind, not even where it came from.
struct Secret {
  std::string value;
  explicit Secret(std::string& text) : value(text) { explicit_bzero(text.data(), text.size()); }
  ~Secret() { explicit_bzero(value.data(), value.size()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
};

/// libetpan would initialise and shut down the library with every session; one reference of our own keeps it alive.
bool sasl_available() {
  static const bool ready = sasl_client_init(nullptr) == SASL_OK;
  return ready;
}

/// Whether libsasl2 has the plugin: libetpan starting a mechanism that is missing would cost the connection.
bool sasl_has(std::string_view mechanism) {
  if (!sasl_available()) return false;
  for (const char** name = sasl_global_listmech(); name != nullptr && *name != nullptr; ++name) {
    if (mechanism == *name) return true;
  }
  return false;
}

std::vector<std::string_view> usable_mechanisms(const Capabilities& capabilities, const std::string& user) {
  std::vector<std::string_view> usable;
  // "user\shared" (Office 365) and "domain/user" only work with the LOGIN command.
  if (user.find_first_of("\\/") != std::string::npos) return usable;
  for (const std::string_view mechanism : {"SCRAM-SHA-256", "PLAIN", "LOGIN"}) {
    if (capabilities.has("AUTH=" + std::string(mechanism)) && sasl_has(mechanism)) usable.push_back(mechanism);
  }
  return usable;
}

Result<void> try_mechanism(Connection& connection, std::string_view mechanism, const AccountSettings& settings,
                           const Secret& password, const CallContext& context) {
  const EtpanLink::Command command{"AUTHENTICATE", {}, true};
  const std::string name(mechanism);
  IMAPFS_TRY(connection.link.call(command, context, [&](mailimap* imap) {
    // An empty authorization identity: to act as oneself (RFC 4616 §2); some servers refuse one that is given.
    return mailimap_authenticate(imap, name.c_str(), settings.endpoint.host.c_str(), nullptr, nullptr, "",
                                 settings.user.c_str(), password.value.c_str(), nullptr);
  }));
  return {};
}

Result<void> try_login(Connection& connection, const AccountSettings& settings, const Secret& password,
                       const CallContext& context) {
  const EtpanLink::Command command{"LOGIN", {}, true};
  IMAPFS_TRY(connection.link.call(command, context, [&](mailimap* imap) {
    return mailimap_login(imap, settings.user.c_str(), password.value.c_str());
  }));
  return {};
}

bool cannot_be_sent(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos; }

char* duplicate(const std::string& text) { return strdup(text.c_str()); }

}  // namespace

Result<void> authenticate(Connection& connection, const Capabilities& capabilities, const AccountSettings& settings,
                          const CallContext& context) {
  auto given = settings.password(context);
  if (!given) return fail(std::move(given).error());
  const Secret password(*given);
  if (cannot_be_sent(settings.user) || cannot_be_sent(password.value)) {
    return fail(EACCES, Scope::account, Retry::never, "user name or password holds a line break or NUL");
  }
  std::optional<Error> refused;
  for (const auto mechanism : usable_mechanisms(capabilities, settings.user)) {
    auto outcome = try_mechanism(connection, mechanism, settings, password, context);
    if (outcome) return {};
    refused = std::move(outcome).error();
    // Only a server that did not understand gets a second try: repeating a wrong password locks accounts.
    const bool misunderstood = refused->what.find("server: BAD") != std::string::npos;
    if (!misunderstood || refused->scope == Scope::session || !connection.channel.usable()) {
      return fail(std::move(*refused));
    }
  }
  if (capabilities.has("LOGINDISABLED")) {
    if (refused) return fail(std::move(*refused));
    return fail(EACCES, Scope::account, Retry::never,
                "{} offers no way to log in with a password (LOGINDISABLED and no mechanism in common)",
                settings.endpoint.host);
  }
  return try_login(connection, settings, password, context);
}

Result<IdFields> exchange_id(Connection& connection, const CallContext& context) {
  IdFields fields;
  auto* ours = mailimap_id_params_list_new_empty();
  if (ours == nullptr) return fields;
  std::array<char, 5> name{"name"};  // libetpan copies both, but does not promise so by const
  std::array<char, 7> value{"imapfs"};
  mailimap_id_params_list_add_name_value(ours, name.data(), value.data());
  mailimap_id_params_list* theirs = nullptr;
  const EtpanLink::Command command{"ID", {"ID"}, false};
  auto outcome = connection.link.call(command, context, [&](mailimap* imap) { return mailimap_id(imap, ours, &theirs); });
  mailimap_id_params_list_free(ours);
  if (theirs != nullptr) {
    for (auto* cell = clist_begin(theirs->idpa_list); cell != nullptr && fields.size() < max_id_fields;
         cell = clist_next(cell)) {
      const auto* field = static_cast<const mailimap_id_param*>(clist_content(cell));
      if (field == nullptr || field->idpa_name == nullptr || field->idpa_value == nullptr) continue;
      std::string key = field->idpa_name;
      std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
      fields[telemetry::printable(key, 64)] = telemetry::printable(field->idpa_value, max_id_value);
    }
    mailimap_id_params_list_free(theirs);
  }
  if (!outcome && outcome.error().scope >= Scope::session) return fail(std::move(outcome).error());
  return fields;
}

Result<void> enable_capabilities(Connection& connection, const std::vector<std::string>& names,
                                 const CallContext& context) {
  clist* list = clist_new();
  if (list == nullptr) return fail(ENOMEM, "out of memory");
  for (const auto& name : names) {
    clist_append(list, mailimap_capability_new(MAILIMAP_CAPABILITY_NAME, nullptr, duplicate(name)));
  }
  auto* wanted = mailimap_capability_data_new(list);
  mailimap_capability_data* enabled = nullptr;
  const EtpanLink::Command command{"ENABLE", {"ENABLED"}, false};
  auto outcome = connection.link.call(command, context,
                                      [&](mailimap* imap) { return mailimap_enable(imap, wanted, &enabled); });
  mailimap_capability_data_free(wanted);
  if (enabled != nullptr) mailimap_capability_data_free(enabled);
  if (!outcome) return fail(std::move(outcome).error());
  return {};
}

}  // namespace imapfs::imap
