// TLS over a connected socket. OpenSSL handles the records, InterruptiblePoll the waiting.
#include "imapfs/net/tls_stream.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "imapfs/base/telemetry.hpp"
#include "net/certificate_check.hpp"
#include "net/descriptor.hpp"
#include "net/interruptible_poll.hpp"
#include "net/plain_stream.hpp"
#include "net/socket_bio.hpp"
#include "net/tls_context.hpp"

namespace imapfs::net {
namespace {

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

bool peer_speaks_tls(const SocketState& state) {
  return !state.saw_first_byte || (state.first_byte >= 20 && state.first_byte <= 23);
}

class TlsStream final : public ByteStream {
 public:
  TlsStream(Descriptor socket, const std::string& host) : socket_(std::move(socket)) {
    state_.socket = socket_.number();
    check_.host = host;
  }
  ~TlsStream() override;

  Result<void> handshake(const TlsSettings& settings, const CallContext& context);

  Result<std::size_t> read(std::span<char> buffer, const CallContext& context) override;
  Result<void> write(std::span<const char> bytes, const CallContext& context) override;
  Result<void> wait_readable(const CallContext& context) override;
  [[nodiscard]] std::string description() const override {
    return fmt::format("{} {}", SSL_get_version(ssl_.get()), SSL_get_cipher_name(ssl_.get()));
  }

 private:
  /// What to do after a call into OpenSSL that did not succeed.
  enum class Next : std::uint8_t { again, wait_for_input, wait_for_output, end, failed };

  Result<void> prepare(const TlsSettings& settings);
  Next next_step(int returned);
  Result<void> wait(Next next, const CallContext& context) {
    return poll_.wait(socket_.number(), next == Next::wait_for_output ? POLLOUT : POLLIN, context);
  }
  void before_call() {
    ERR_clear_error();  // SSL_get_error() reads the thread's queue, which may hold errors of another stream
    state_.would_block = false;
    state_.errnum = 0;
  }
  Error failure(std::string_view activity);
  Error handshake_failure();
  Error broken(Error error) {
    broken_ = std::move(error);
    return *broken_;
  }

  Descriptor socket_;
  SocketState state_;
  CertificateCheck check_;
  std::unique_ptr<SSL, SslDeleter> ssl_;
  InterruptiblePoll poll_;
  std::optional<Error> broken_;  ///< the first failure; every later call repeats it
  bool established_ = false;
};

TlsStream::~TlsStream() {
  if (!established_ || broken_) return;
  before_call();
  SSL_shutdown(ssl_.get());  // sends close_notify if the socket takes it at once; nobody waits for the answer
  ERR_clear_error();
}

TlsStream::Next TlsStream::next_step(int returned) {
  switch (SSL_get_error(ssl_.get(), returned)) {
    // Without AUTO_RETRY, "want read" also means that a record without data was handled, and more may be buffered.
    // poll() would then sleep although data is there. Only an empty socket is a reason to wait.
    case SSL_ERROR_WANT_READ: return state_.would_block ? Next::wait_for_input : Next::again;
    case SSL_ERROR_WANT_WRITE: return state_.would_block ? Next::wait_for_output : Next::again;
    case SSL_ERROR_ZERO_RETURN: return Next::end;
    default: return Next::failed;
  }
}

/// Why a call failed after the handshake: the peer's alert, a truncated stream, or the socket's errno.
Error TlsStream::failure(std::string_view activity) {
  const unsigned long code = ERR_peek_error();
  const bool from_ssl = ERR_GET_LIB(code) == ERR_LIB_SSL;
  if (from_ssl && ERR_GET_REASON(code) == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED) {
    ERR_clear_error();
    return Error{
        EACCES, Scope::account, Retry::never,
        fmt::format("{} asks for a client certificate (option client-certificate)", telemetry::printable(check_.host))};
  }
  // An end without close_notify may be an attacker's cut (RFC 8446 §6.1), so it is never a clean end.
  if (state_.end_of_file || (from_ssl && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
    ERR_clear_error();
    return session_error(ECONNRESET, activity);
  }
  if (state_.errnum != 0) {
    ERR_clear_error();
    return session_error(state_.errnum, activity);
  }
  return as_session_error(
      Error{EPROTO, Scope::session, Retry::now, fmt::format("TLS failed: {}", openssl_reason("protocol error"))},
      activity);
}

Error TlsStream::handshake_failure() {
  const auto host = telemetry::printable(check_.host);
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
  if (!check_.refusal.empty()) {
    ERR_clear_error();
    return Error{EACCES, Scope::account, Retry::never, check_.refusal};
  }
  if (!peer_speaks_tls(state_)) {
    ERR_clear_error();
    return Error{EPROTO, Scope::account, Retry::never,
                 fmt::format("{} does not speak TLS on this port; for STARTTLS use imap:// instead of imaps://", host)};
  }
  if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION) {
    ERR_clear_error();
    return Error{EPROTO, Scope::account, Retry::never, fmt::format("{} offers no TLS 1.2 or later", host)};
  }
  if (reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED) return failure("TLS handshake");
  if (state_.end_of_file || state_.errnum != 0) {
    const int errnum = state_.errnum;
    ERR_clear_error();
    if (errnum != 0) return session_error(errnum, fmt::format("TLS handshake with {}", host));
    return Error{ECONNRESET, Scope::session, Retry::now,
                 fmt::format("{} closed the connection during the TLS handshake (does this port speak TLS?)", host)};
  }
  return Error{EPROTO, Scope::session, Retry::later,
               fmt::format("TLS handshake with {} failed: {}", host, openssl_reason("protocol error"))};
}

Result<void> TlsStream::prepare(const TlsSettings& settings) {
  check_.pin = IMAPFS_TRY(parse_fingerprint(settings.fingerprint));
  const auto context = IMAPFS_TRY(make_context(settings));
  ssl_.reset(SSL_new(context.get()));
  auto bio = make_socket_bio(state_);
  if (!ssl_ || !bio)
    return fail(ENOMEM, Scope::session, Retry::later, "TLS cannot be set up: {}", openssl_reason("out of memory"));
  auto* const raw = bio.release();
  SSL_set_bio(ssl_.get(), raw, raw);  // takes one reference for both directions
  if (!expect_host(ssl_.get(), check_))
    return fail(EINVAL, Scope::account, Retry::never, "\"{}\" cannot be a host name",
                telemetry::printable(check_.host));
  return {};
}

Result<void> TlsStream::handshake(const TlsSettings& settings, const CallContext& context) {
  IMAPFS_TRY(prepare(settings));
  while (true) {
    if (auto checked = context.check(); !checked)
      return fail(as_session_error(std::move(checked).error(),
                                   fmt::format("TLS handshake with {}", telemetry::printable(check_.host))));
    before_call();
    const int returned = SSL_connect(ssl_.get());
    if (returned == 1) break;
    const auto next = next_step(returned);
    if (next == Next::failed || next == Next::end) return fail(handshake_failure());
    if (next == Next::again) continue;
    if (auto ready = wait(next, context); !ready)
      return fail(as_session_error(std::move(ready).error(),
                                   fmt::format("TLS handshake with {}", telemetry::printable(check_.host))));
  }
  established_ = true;
  return {};
}

Result<std::size_t> TlsStream::read(std::span<char> buffer, const CallContext& context) {
  while (true) {
    if (broken_) return fail(*broken_);
    if (auto checked = context.check(); !checked)
      return fail(broken(as_session_error(std::move(checked).error(), "read")));
    before_call();
    std::size_t count = 0;
    const int returned = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &count);
    if (returned == 1) return count;
    const auto next = next_step(returned);
    if (next == Next::end) return std::size_t{0};
    if (next == Next::failed) return fail(broken(failure("read")));
    if (next == Next::again) continue;
    if (auto ready = wait(next, context); !ready)
      return fail(broken(as_session_error(std::move(ready).error(), "read")));
  }
}

Result<void> TlsStream::write(std::span<const char> bytes, const CallContext& context) {
  while (!bytes.empty()) {
    if (broken_) return fail(*broken_);
    if (auto checked = context.check(); !checked)
      return fail(broken(as_session_error(std::move(checked).error(), "write")));
    before_call();
    std::size_t count = 0;
    const int returned = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
    if (returned == 1) {
      bytes = bytes.subspan(count);
      continue;
    }
    const auto next = next_step(returned);
    if (next == Next::end) return fail(broken(session_error(ECONNRESET, "write")));
    if (next == Next::failed) return fail(broken(failure("write")));
    if (next == Next::again) continue;
    // A record may be half sent, so an interrupted wait ends the session.
    if (auto ready = wait(next, context); !ready)
      return fail(broken(as_session_error(std::move(ready).error(), "write")));
  }
  return {};
}

Result<void> TlsStream::wait_readable(const CallContext& context) {
  while (!broken_) {
    if (context.cancelled()) return fail(EINTR, "cancelled");
    // A readable socket may hold only a session ticket or half a record. Peeking handles those, and OpenSSL keeps what
    // it has read: an interrupted wait loses nothing.
    before_call();
    char byte = 0;
    std::size_t count = 0;
    const int returned = SSL_peek_ex(ssl_.get(), &byte, 1, &count);
    if (returned == 1) return {};
    const auto next = next_step(returned);
    if (next == Next::end) return {};
    if (next == Next::failed) broken(failure("read"));
    else if (next == Next::again) IMAPFS_TRY(context.check());
    else IMAPFS_TRY(wait(next, context));
  }
  return {};  // read() reports the failure at once
}

}  // namespace

Result<std::unique_ptr<ByteStream>> start_tls(std::unique_ptr<ByteStream> plain, const std::string& host,
                                              const TlsSettings& settings, const CallContext& context) {
  Descriptor socket(plain ? plain->release_descriptor() : -1);
  if (!socket.valid())
    return fail(EINVAL, Scope::session, Retry::now, "TLS needs a connected socket with nothing buffered");
  auto stream = std::make_unique<TlsStream>(std::move(socket), host);
  IMAPFS_TRY(stream->handshake(settings, context));
  return std::unique_ptr<ByteStream>(std::move(stream));
}

}  // namespace imapfs::net
