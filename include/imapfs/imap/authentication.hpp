#pragma once
// The login's commands that libetpan carries: LOGIN and SASL, ID, ENABLE. Used by login.cpp only.
//
// Passwords are fetched when needed, never logged, and wiped after use.

#include <string>
#include <vector>

#include "imapfs/imap/etpan_session.hpp"

namespace imapfs::imap {

/// Logs in by the best way both sides know: SCRAM-SHA-256, PLAIN, LOGIN by SASL, else the LOGIN command. Refused: EACCES, scope account.
Result<void> authenticate(Connection& connection, const Capabilities& capabilities, const AccountSettings& settings,
                          const CallContext& context);

/// RFC 2971: says who we are; what the server says of itself, keys in lower case. A refusal is no error.
Result<IdFields> exchange_id(Connection& connection, const CallContext& context);

/// RFC 5161. What was enabled is in CommandChannel::enabled().
Result<void> enable_capabilities(Connection& connection, const std::vector<std::string>& names,
                                 const CallContext& context);

}  // namespace imapfs::imap
