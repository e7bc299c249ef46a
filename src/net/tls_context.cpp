#include "net/tls_context.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <unistd.h>

#include "imapfs/base/telemetry.hpp"
#include "net/certificate_check.hpp"

namespace imapfs::net {
namespace {

/// Reads more than one record per recv(2): fewer system calls while bodies stream in.
constexpr std::size_t read_ahead = 32 * 1024;

template <class... Args>
tl::unexpected<Error> wrong_setting(int errnum, fmt::format_string<Args...> format, Args&&... args) {
  return fail(errnum, Scope::account, Retry::never, format, std::forward<Args>(args)...);
}

/// OpenSSL reports only "system lib"; errno tells which file is unreadable and why.
Result<void> check_readable(const std::string& path, const char* what) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return wrong_setting(errno, "{}", system_error(errno, fmt::format("cannot read {} {}", what, path)).what);
  ::close(descriptor);
  return {};
}

Result<void> load_trust(SSL_CTX* context, const std::string& ca_file) {
  if (ca_file.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) != 1)
      return wrong_setting(EACCES, "the system's certificate store cannot be read: {}",
                           openssl_reason("unknown reason"));
    return {};
  }
  IMAPFS_TRY(check_readable(ca_file, "ca-file"));
  if (SSL_CTX_load_verify_file(context, ca_file.c_str()) != 1)
    return wrong_setting(EINVAL, "ca-file {} holds no certificate in PEM form: {}", ca_file, openssl_reason("empty"));
  return {};
}

Result<void> load_client_certificate(SSL_CTX* context, const TlsSettings& settings) {
  if (settings.client_certificate.empty()) {
    if (!settings.client_key.empty()) return wrong_setting(EINVAL, "a client key needs a client certificate");
    return {};
  }
  const auto& key = settings.client_key.empty() ? settings.client_certificate : settings.client_key;
  IMAPFS_TRY(check_readable(settings.client_certificate, "client certificate"));
  IMAPFS_TRY(check_readable(key, "client key"));
  if (SSL_CTX_use_certificate_chain_file(context, settings.client_certificate.c_str()) != 1)
    return wrong_setting(EINVAL, "client certificate {} holds no certificate in PEM form: {}",
                         settings.client_certificate, openssl_reason("empty"));
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return wrong_setting(EINVAL,
                         "client key {} cannot be used (it must be in PEM form, without a passphrase, and fit "
                         "the certificate): {}",
                         key, openssl_reason("no key"));
  if (SSL_CTX_check_private_key(context) != 1)
    return wrong_setting(EINVAL, "client key {} does not fit client certificate {}", key, settings.client_certificate);
  return {};
}

/// By default OpenSSL would ask for a passphrase on the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

}  // namespace

std::string openssl_reason(const char* fallback) {
  // The first error in OpenSSL's queue is the most specific.
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? fallback : reason;
}

Result<std::optional<Sha256>> parse_fingerprint(const std::string& text) {
  if (text.empty()) return std::optional<Sha256>{};
  Sha256 digest{};
  std::size_t digits = 0;
  for (const char character : text) {
    if (character == ':') continue;
    const int value = OPENSSL_hexchar2int(static_cast<unsigned char>(character));
    if (value < 0 || digits == 64)
      return wrong_setting(EINVAL, "fingerprint must be the SHA-256 of the certificate as 64 hex digits");
    auto& byte = digest[digits / 2];
    byte = static_cast<std::uint8_t>(byte << 4 | value);
    ++digits;
  }
  if (digits != 64) return wrong_setting(EINVAL, "fingerprint must be the SHA-256 of the certificate as 64 hex digits");
  return std::optional<Sha256>(digest);
}

Result<SslContext> make_context(const TlsSettings& settings) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_client_method()));
  if (!context) return wrong_setting(ENOMEM, "TLS cannot be set up: {}", openssl_reason("out of memory"));
  if (SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1)
    return wrong_setting(EPROTO, "this system's OpenSSL does not allow TLS 1.2: {}", openssl_reason("unknown reason"));
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // After a record without data (a session ticket) control must return to the caller, who watches the deadline.
  SSL_CTX_clear_mode(context.get(), SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_default_read_buffer_len(context.get(), read_ahead);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_default_passwd_cb(context.get(), no_passphrase);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), judge_certificate, nullptr);
  IMAPFS_TRY(load_trust(context.get(), settings.ca_file));
  IMAPFS_TRY(load_client_certificate(context.get(), settings));
  ERR_clear_error();
  return context;
}

Result<void> validate(const TlsSettings& settings) {
  IMAPFS_TRY(parse_fingerprint(settings.fingerprint));
  IMAPFS_TRY(make_context(settings));
  return {};
}

}  // namespace imapfs::net
