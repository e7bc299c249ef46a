#pragma once
// Connecting, and TLS by OpenSSL. All uses of OpenSSL are in this unit.
//
// Certificates are always verified: chain (system store or ca_file) and host name (RFC 9525; IP addresses by
// iPAddress), or, where a fingerprint is given, the SHA-256 of the leaf certificate instead. TLS 1.2 or later, SNI
// sent. Errors of the certificate have scope account, EACCES, and a text a user can act on ("certificate of
// mail.example.org expired on 2026-01-02"; "… is for other.example.org, not …"; "… is signed by an unknown authority
// (self-signed) …").

#include <cstdint>
#include <memory>
#include <string>

#include "imapfs/net/byte_stream.hpp"

namespace imapfs::net {

struct Endpoint {
  std::string host;  ///< name, IPv4 or IPv6 address without brackets
  std::uint16_t port = 0;
};

struct TlsSettings {
  std::string ca_file;             ///< PEM; replaces the system's store; empty: system store
  std::string fingerprint;         ///< SHA-256 of the leaf certificate in hex, colons optional; empty: not pinned
  std::string client_certificate;  ///< PEM file; empty: none
  std::string client_key;          ///< PEM file; empty: in client_certificate
};

/// Resolves, tries every address, sets TCP_NODELAY and keep-alive. Errors: EHOSTUNREACH (with the resolver's or the
/// last address's reason, retry later), ETIMEDOUT, EINTR; scope session.
Result<std::unique_ptr<ByteStream>> connect_tcp(const Endpoint& endpoint, const CallContext& context);

/// Wraps a descriptor that is already connected, for tests. Takes ownership.
std::unique_ptr<ByteStream> adopt_descriptor(int descriptor);

/// Performs the handshake on `plain` (from connect_tcp or adopt_descriptor), verifying for `host`.
Result<std::unique_ptr<ByteStream>> start_tls(std::unique_ptr<ByteStream> plain, const std::string& host,
                                              const TlsSettings& settings, const CallContext& context);

/// Checks the settings without connecting: unreadable or malformed files, a fingerprint that is not 64 hex digits.
Result<void> validate(const TlsSettings& settings);

}  // namespace imapfs::net
