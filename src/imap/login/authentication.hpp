#pragma once
// The login commands that libetpan carries: LOGIN and SASL, ID, ENABLE. Only login.cpp uses them.
//
// Passwords are fetched when needed, never logged, and wiped after use.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "imap/commands/imap_session.hpp"

namespace imapfs::imap {

/// What an attempt to log in has found out. It outlives the connections of the attempt.
struct LoginTrial {
  Quirks found;                  ///< what the next connection of the attempt must not use
  int refusals = 0;              ///< how often the server refused, apart from BAD
  std::optional<Error> refused;  ///< from the last mechanism that was tried
};

/// Logs in by the best mechanism of both sides: SCRAM-SHA-256, PLAIN, LOGIN by SASL, else the LOGIN command. After a
/// refusal the next one is tried, unless the server says that the password is wrong or OAuth is required, or has
/// refused too often. EACCES, scope account, if refused.
Result<void> authenticate(Connection& connection, const Capabilities& capabilities, const AccountSettings& settings,
                          LoginTrial& trial, const CallContext& context);

/// RFC 2971: sends our name and returns the server's answer, keys in lower case. A refusal is no error.
Result<IdFields> exchange_id(Connection& connection, const CallContext& context);

/// RFC 5161: returns which of `names` were enabled.
Result<std::set<std::string>> enable_capabilities(Connection& connection, const std::vector<std::string>& names,
                                                  const CallContext& context);

}  // namespace imapfs::imap
