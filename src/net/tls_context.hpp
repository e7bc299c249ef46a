#pragma once
// TlsSettings as an SSL_CTX: trust store, versions, client certificate, and the callback that judges certificates.

#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "imapfs/base/result.hpp"
#include "imapfs/net/tls_stream.hpp"

namespace imapfs::net {

using Sha256 = std::array<std::uint8_t, 32>;

struct SslContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextDeleter>;

/// Scope account, retry never: an option has to be changed.
Result<SslContext> make_context(const TlsSettings& settings);

/// 64 hex digits, colons allowed; nothing for an empty text. EINVAL otherwise.
Result<std::optional<Sha256>> parse_fingerprint(const std::string& text);

/// OpenSSL's error queue as words, emptied; `fallback` when it is empty.
std::string openssl_reason(const char* fallback);

}  // namespace imapfs::net
