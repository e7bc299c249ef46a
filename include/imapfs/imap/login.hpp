#pragma once
// From a fresh connection to a logged-in Session: greeting, STARTTLS, login, capabilities, ID, COMPRESS, ENABLE.

#include <memory>

#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

/// open_session() on a stream that is already connected (and, with implicit_tls, already secured): also the way in for tests.
Result<std::unique_ptr<Session>> login_session(std::unique_ptr<net::ByteStream> stream, const AccountSettings& settings,
                                               const CallContext& context);

}  // namespace imapfs::imap
