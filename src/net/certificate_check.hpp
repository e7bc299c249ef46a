#pragma once
// Judges the server's certificate and says in a sentence why it is refused.
//
// Without a pin, checks the chain up to a trusted authority, and the host's name in subjectAltName (RFC 9525: the
// common name is ignored, `*` counts only as a whole label) or its address in iPAddress. With a pin, checks only the
// SHA-256 of the leaf.

#include <openssl/ssl.h>

#include <optional>
#include <string>

#include "net/tls_context.hpp"

namespace imapfs::net {

struct CertificateCheck {
  std::string host;  ///< as the user wrote it, for messages
  std::optional<Sha256> pin;
  std::string refusal;  ///< set if the certificate was refused: a sentence for the user
};

/// The host as SNI and certificates spell it: no trailing dot, no zone ("fe80::1%eth0").
std::string certificate_host(const std::string& host);
[[nodiscard]] bool is_address(const std::string& host);

/// Tells `ssl` which host to expect. `check` must outlive `ssl`. False if no certificate can hold such a host name.
bool expect_host(SSL* ssl, CertificateCheck& check);

/// For SSL_CTX_set_cert_verify_callback.
int judge_certificate(X509_STORE_CTX* store, void*);

}  // namespace imapfs::net
