#include "imap/login/authentication.hpp"

#include <sasl/sasl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

constexpr std::size_t max_id_fields = 30;
constexpr std::size_t max_id_value = 1024;
/// As often as a person may mistype a password before accounts are locked.
constexpr int most_refusals = 3;

struct Mechanism {
  std::string_view name;
  Quirk without;
};
constexpr std::array<Mechanism, 3> mechanisms = {
    {{"SCRAM-SHA-256", Quirk::no_auth_scram}, {"PLAIN", Quirk::no_auth_plain}, {"LOGIN", Quirk::no_auth_login}}};

/// Takes a string's text and wipes the source.
struct Secret {
  std::string value;
  explicit Secret(std::string& text) : value(text) { explicit_bzero(text.data(), text.size()); }
  ~Secret() { explicit_bzero(value.data(), value.size()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
};

/// libetpan would initialise and shut down libsasl2 with every session; our own reference keeps it initialised.
bool sasl_available() {
  static const bool ready = sasl_client_init(nullptr) == SASL_OK;
  return ready;
}

/// Whether libsasl2 has the plugin: if libetpan starts a missing mechanism, the connection is lost.
bool sasl_has(std::string_view mechanism) {
  if (!sasl_available()) return false;
  for (const char** name = sasl_global_listmech(); name != nullptr && *name != nullptr; ++name) {
    if (mechanism == *name) return true;
  }
  return false;
}

std::vector<Mechanism> usable_mechanisms(const Capabilities& capabilities, const std::string& user) {
  std::vector<Mechanism> usable;
  // "user\shared" (Office 365) and "domain/user" work only with the LOGIN command.
  if (user.find_first_of("\\/") != std::string::npos) return usable;
  for (const auto& mechanism : mechanisms) {
    if (capabilities.has("AUTH=" + std::string(mechanism.name)) && sasl_has(mechanism.name))
      usable.push_back(mechanism);
  }
  return usable;
}

bool names_oauth(const std::optional<Answer>& answer) {
  if (!answer) return false;
  const auto words = upper(answer->code + ' ' + answer->code_data + ' ' + answer->text);
  const auto says = [&](std::string_view word) { return words.find(word) != std::string::npos; };
  return says("OAUTH") || says("BASIC AUTH") || says("BASICAUTH");
}

/// Whether OAuth is offered.
bool offers_oauth(const Capabilities& capabilities) {
  return capabilities.has("AUTH=XOAUTH2") || capabilities.has("AUTH=OAUTHBEARER");
}

Error wants_oauth(Error error) {
  error.what +=
      "; the server wants OAuth 2, which imapfs does not have: where the provider gives passwords for programs "
      "(app passwords), one of those may do";
  return error;
}

/// Whether another mechanism cannot help: the server says that the password is wrong or the account is closed, it is
/// busy, or it has not answered.
bool is_final(const Error& refusal, const std::optional<Answer>& answer) {
  constexpr std::array<std::string_view, 5> codes = {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED",
                                                     "CONTACTADMIN", "PRIVACYREQUIRED"};
  if (refusal.retry == Retry::later || !answer) return true;
  return std::find(codes.begin(), codes.end(), answer->code) != codes.end();
}

Result<void> try_mechanism(Connection& connection, std::string_view mechanism, const AccountSettings& settings,
                           const Secret& password, const CallContext& context) {
  const EtpanLink::Command command{"AUTHENTICATE", {}, true};
  const std::string name(mechanism);
  IMAPFS_TRY(connection.link.call(command, context, [&](mailimap* imap) {
    // An empty authorization identity means oneself (RFC 4616 §2); some servers refuse an explicit one.
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
                          LoginTrial& trial, const CallContext& context) {
  auto given = settings.password(context);
  if (!given) return fail(std::move(given).error());
  const Secret password(*given);
  if (cannot_be_sent(settings.user) || cannot_be_sent(password.value)) {
    return fail(EACCES, Scope::account, Retry::never, "user name or password holds a line break or NUL");
  }
  for (const auto& mechanism : usable_mechanisms(capabilities, settings.user)) {
    auto outcome = try_mechanism(connection, mechanism.name, settings, password, context);
    if (outcome) return {};
    const auto& answer = connection.link.last_answer();
    if (names_oauth(answer)) return fail(wants_oauth(std::move(outcome).error()));
    if (is_final(outcome.error(), answer)) return outcome;
    // BAD means that the command was not understood, so no password was checked.
    if (answer->kind != Answer::Kind::bad && ++trial.refusals >= most_refusals) return outcome;
    trial.refused = std::move(outcome).error();
    trial.found.insert(mechanism.without);
  }
  if (capabilities.has("LOGINDISABLED")) {
    if (trial.refused) return fail(Error(*trial.refused));
    Error none{EACCES, Scope::account, Retry::never,
               fmt::format("{} offers no way to log in with a password (LOGINDISABLED and no mechanism in common)",
                           settings.endpoint.host)};
    return fail(offers_oauth(capabilities) ? wants_oauth(std::move(none)) : std::move(none));
  }
  auto outcome = try_login(connection, settings, password, context);
  if (outcome || !names_oauth(connection.link.last_answer())) return outcome;
  return fail(wants_oauth(std::move(outcome).error()));
}

Result<IdFields> exchange_id(Connection& connection, const CallContext& context) {
  IdFields fields;
  auto* ours = mailimap_id_params_list_new_empty();
  if (ours == nullptr) return fields;
  std::array<char, 5> name{"name"};  // libetpan copies both, but its parameters are not const
  std::array<char, 7> value{"imapfs"};
  mailimap_id_params_list_add_name_value(ours, name.data(), value.data());
  mailimap_id_params_list* theirs = nullptr;
  const EtpanLink::Command command{"ID", {"ID"}, false};
  auto outcome = connection.link.call(command, context,
                                      [&](mailimap* imap) { return mailimap_id(imap, ours, &theirs); });
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
  if (!outcome && outcome.error().lost_connection()) return fail(std::move(outcome).error());
  return fields;
}

Result<std::set<std::string>> enable_capabilities(Connection& connection, const std::vector<std::string>& names,
                                                  const CallContext& context) {
  // Forget what the server listed before it was asked.
  (void)connection.channel.unsolicited().take_enabled();
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
  auto told = connection.channel.unsolicited().take_enabled();
  std::erase_if(told, [&](const auto& name) { return std::find(names.begin(), names.end(), name) == names.end(); });
  return told;
}

}  // namespace imapfs::imap
