#pragma once
// Connecting, and TLS by OpenSSL. Only this layer uses OpenSSL.
//
// Certificates are always verified: the chain (system store or ca_file) and the host name (RFC 9525; IP addresses by
// iPAddress), or only the SHA-256 of the leaf certificate if a fingerprint is given. TLS 1.2 or later, with SNI.
// Certificate errors have scope account and errno EACCES, and a text that a user can act on ("certificate of
// mail.example.org expired on 2026-01-02"; "… is for other.example.org, not …"; "… is signed by an unknown authority
// (self-signed) …").

#include <cstdint>
#include <memory>
#include <string>

#include "imapfs/net/byte_stream.hpp"

namespace imapfs::net {

struct Endpoint {
  std::string host;  ///< a name, or an IPv4 or IPv6 address without brackets
  std::uint16_t port = 0;
};

struct TlsSettings {
  std::string ca_file;             ///< PEM file that replaces the system's store; empty: the system's store
  std::string fingerprint;         ///< SHA-256 of the leaf certificate in hex, colons optional; empty: not pinned
  std::string client_certificate;  ///< PEM file; empty: none
  std::string client_key;          ///< PEM file; empty: the key is in client_certificate
};

/// Resolves the name, tries every address, sets TCP_NODELAY and keep-alive. Errors, scope session: EHOSTUNREACH (with
/// the reason of the resolver or of the last address, retry later), ETIMEDOUT, EINTR.
Result<std::unique_ptr<ByteStream>> connect_tcp(const Endpoint& endpoint, const CallContext& context);

/// Wraps a connected descriptor, for tests. Takes ownership.
std::unique_ptr<ByteStream> adopt_descriptor(int descriptor);

/// Does the handshake on `plain` (from connect_tcp or adopt_descriptor) and verifies the certificate for `host`.
Result<std::unique_ptr<ByteStream>> start_tls(std::unique_ptr<ByteStream> plain, const std::string& host,
                                              const TlsSettings& settings, const CallContext& context);

/// Checks the settings without connecting: the files must be readable and well-formed, the fingerprint 64 hex digits.
Result<void> validate(const TlsSettings& settings);

}  // namespace imapfs::net
