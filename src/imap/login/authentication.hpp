#pragma once
// The login's commands that libetpan carries: LOGIN and SASL, ID, ENABLE. Used by login.cpp only.
//
// Passwords are fetched when needed, never logged, and wiped after use.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "imap/commands/imap_session.hpp"

namespace imapfs::imap {

/// What one attempt to log in finds out. It outlives the connections that the attempt takes.
struct LoginTrial {
  Quirks found;                  ///< what the next connection of the attempt must do without
  int refusals = 0;              ///< of the password, if it was that
  std::optional<Error> refused;  ///< by the last way that was tried
};

/// Logs in by the best way both sides know: SCRAM-SHA-256, PLAIN, LOGIN by SASL, else the LOGIN command. A way that is
/// refused gives way to the next, unless the server says that the password is wrong or OAuth is wanted, or it has
/// refused often enough. Refused: EACCES, scope account.
Result<void> authenticate(Connection& connection, const Capabilities& capabilities, const AccountSettings& settings,
                          LoginTrial& trial, const CallContext& context);

/// RFC 2971: says who we are; what the server says of itself, keys in lower case. A refusal is no error.
Result<IdFields> exchange_id(Connection& connection, const CallContext& context);

/// RFC 5161: what of `names` was enabled.
Result<std::set<std::string>> enable_capabilities(Connection& connection, const std::vector<std::string>& names,
                                                  const CallContext& context);

}  // namespace imapfs::imap
