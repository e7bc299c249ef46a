#pragma once
// From a fresh connection to a logged-in Session: greeting, STARTTLS, login, capabilities, ID, COMPRESS, ENABLE.

#include <functional>
#include <memory>

#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

/// open_session() on a stream that is already connected (and, with implicit_tls, already secured): also the way in for
/// tests.
Result<std::unique_ptr<Session>> login_session(std::unique_ptr<net::ByteStream> stream, const AccountSettings& settings,
                                               const CallContext& context);

using Connector = std::function<Result<std::unique_ptr<net::ByteStream>>(const CallContext&)>;
/// The same, on another connection where the first is lost to something that the login can do without: a way to log in,
/// COMPRESS.
Result<std::unique_ptr<Session>> login_session(const Connector& connect, const AccountSettings& settings,
                                               const CallContext& context);

}  // namespace imapfs::imap
