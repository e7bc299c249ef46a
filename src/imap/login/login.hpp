#pragma once
// Turns a new connection into a logged-in Session: greeting, STARTTLS, login, capabilities, ID, COMPRESS, ENABLE.

#include <functional>
#include <memory>

#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

/// open_session() on a stream that is already connected (and secured, with implicit_tls); tests use it too.
Result<std::unique_ptr<Session>> login_session(std::unique_ptr<net::ByteStream> stream, const AccountSettings& settings,
                                               const CallContext& context);

using Connector = std::function<Result<std::unique_ptr<net::ByteStream>>(const CallContext&)>;
/// As above, but connects again if the connection is lost because of something that the login can do without: a login
/// mechanism, COMPRESS.
Result<std::unique_ptr<Session>> login_session(const Connector& connect, const AccountSettings& settings,
                                               const CallContext& context);

}  // namespace imapfs::imap
