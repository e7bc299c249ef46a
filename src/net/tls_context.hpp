#pragma once
// Turns TlsSettings into an SSL_CTX: trust store, versions, client certificate, and the callback that judges
// certificates.

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

/// Errors have scope account, retry never: an option must be changed.
Result<SslContext> make_context(const TlsSettings& settings);

/// 64 hex digits, colons allowed. Nothing for an empty text; EINVAL for other texts.
Result<std::optional<Sha256>> parse_fingerprint(const std::string& text);

/// Takes the reason from OpenSSL's error queue and empties it; `fallback` if it holds none.
std::string openssl_reason(const char* fallback);

}  // namespace imapfs::net
