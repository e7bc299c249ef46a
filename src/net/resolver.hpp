#pragma once
// Resolves host names without losing deadline and cancellation.
//
// getaddrinfo(3) cannot be interrupted and may take half a minute if name servers do not answer. So it runs on a helper
// thread "resolve" that shares only a reference-counted answer with the caller; a caller that gives up returns at once.
// Later calls join the helpers that have ended; at most 8 exist. Thread-safe.

#include <netdb.h>
#include <sys/socket.h>

#include <functional>
#include <string>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/net/tls_stream.hpp"

namespace imapfs::net {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  [[nodiscard]] const sockaddr* get() const;
  /// "192.0.2.1" or "2001:db8::1".
  [[nodiscard]] std::string to_string() const;
};

using Lookup = std::function<Result<std::vector<Address>>(const Endpoint&, int getaddrinfo_flags)>;

/// getaddrinfo(3), blocking. At most 14 addresses, in the order of RFC 6724, with alternating families (RFC 8305 §4).
Result<std::vector<Address>> look_up(const Endpoint& endpoint, int getaddrinfo_flags);

/// Errors: EHOSTUNREACH (retry later), ETIMEDOUT, EINTR; scope session. `lookup` is for tests.
Result<std::vector<Address>> resolve(const Endpoint& endpoint, const CallContext& context,
                                     const Lookup& lookup = look_up);

}  // namespace imapfs::net
