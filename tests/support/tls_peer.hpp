#pragma once
// The other end of a TLS connection in tests: a thread that performs the server's handshake on a socketpair and then
// runs a function. Header-only.

#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>

#include "test_certificates.hpp"

namespace imapfs::testing {

class TlsPeer {
 public:
  struct Options {
    Credential credential;
    bool require_client_certificate = false;
    int highest_version = 0;  ///< for example TLS1_1_VERSION
  };
  /// Called on the peer's thread after the handshake.
  using Script = std::function<void(TlsPeer&)>;

  TlsPeer(
      const Options& options, Script script = [](TlsPeer& peer) { peer.read_until_closed(); }) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) throw std::runtime_error("socketpair");
    client_ = pair[0];
    server_ = pair[1];
    context_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context_, options.credential.certificate.get());
    SSL_CTX_use_PrivateKey(context_, options.credential.key.get());
    if (options.highest_version != 0) {
      SSL_CTX_set_security_level(context_, 0);
      SSL_CTX_set_min_proto_version(context_, 0);
      SSL_CTX_set_max_proto_version(context_, options.highest_version);
    }
    if (options.require_client_certificate)
      SSL_CTX_set_cert_verify_callback(
          context_, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
    if (options.require_client_certificate)
      SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, server_);
    thread_ = std::jthread([this, script = std::move(script)] {
      // The socket BIO of this side would raise SIGPIPE in this thread when the client is gone.
      sigset_t signals;
      sigemptyset(&signals);
      sigaddset(&signals, SIGPIPE);
      pthread_sigmask(SIG_BLOCK, &signals, nullptr);
      if (SSL_accept(ssl_) == 1) script(*this);
      cut();
    });
  }
  ~TlsPeer() {
    if (client_ >= 0) ::close(client_);
    thread_.join();
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    if (server_ >= 0) ::close(server_);
  }
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  /// The client's end; the caller owns it from then on.
  int take_client() { return std::exchange(client_, -1); }

  bool send(const std::string& text) { return SSL_write(ssl_, text.data(), static_cast<int>(text.size())) > 0; }
  std::string receive(std::size_t size) {
    std::string text(size, 0);
    std::size_t count = 0;
    while (count < size) {
      const int part = SSL_read(ssl_, text.data() + count, static_cast<int>(size - count));
      if (part <= 0) break;
      count += static_cast<std::size_t>(part);
    }
    text.resize(count);
    return text;
  }
  void read_until_closed() {
    while (!receive(1).empty()) {
    }
  }
  void say_goodbye() { SSL_shutdown(ssl_); }
  /// Ends the connection without close_notify.
  void cut() { ::shutdown(server_, SHUT_RDWR); }
  [[nodiscard]] std::string server_name() const {
    const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? "" : name;
  }
  [[nodiscard]] int socket() const { return server_; }

 private:
  int client_ = -1;
  int server_ = -1;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  std::jthread thread_;
};

}  // namespace imapfs::testing
