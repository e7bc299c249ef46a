#pragma once
// The server's end of a scripted connection: bytes as they are, compressed or inside TLS. All but shut_down() on the
// script's thread. False and nothing mean that the connection is over.

#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "imap/wire/deflate_codec.hpp"
#include "test_certificates.hpp"

namespace imapfs::test {

class ScriptedStream {
 public:
  /// Owns the descriptor of a connected socket.
  explicit ScriptedStream(int descriptor) : descriptor_(descriptor) {}
  ~ScriptedStream() {
    tls_.reset();
    ::close(descriptor_);
  }
  ScriptedStream(const ScriptedStream&) = delete;
  ScriptedStream& operator=(const ScriptedStream&) = delete;

  bool write(std::string_view text) {
    if (!codec_) return write_raw(text);
    const auto compressed = codec_->compress(text);
    return compressed && write_raw(*compressed);
  }
  /// Without its line end.
  std::optional<std::string> read_line() {
    while (true) {
      if (const auto end = input_.find('\n'); end != std::string::npos) {
        auto line = input_.substr(0, end);
        input_.erase(0, end + 1);
        if (!line.empty() && line.back() == '\r') line.pop_back();
        return line;
      }
      if (!read_more()) return std::nullopt;
    }
  }
  /// Takes so many bytes, and gives the first of them.
  std::optional<std::string> read_bytes(std::size_t bytes) {
    constexpr std::size_t few = 4096;
    std::string taken;
    while (bytes > 0) {
      if (input_.empty() && !read_more()) return std::nullopt;
      const auto count = std::min(bytes, input_.size());
      taken.append(input_, 0, std::min(count, few - taken.size()));
      input_.erase(0, count);
      bytes -= count;
    }
    return taken;
  }
  /// From here on both directions are raw DEFLATE (RFC 4978).
  bool compress() {
    codec_ = std::make_unique<imap::DeflateCodec>();
    codec_->feed(std::exchange(input_, {}));
    return codec_->valid();
  }
  /// From here on both directions are TLS, with the server's part of the handshake.
  bool secure(const imapfs::testing::Credential& credential) {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
    SSL_CTX_use_certificate(context.get(), credential.certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), credential.key.get());
    // OpenSSL's socket raises SIGPIPE in this thread when the client is gone.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    tls_.reset(SSL_new(context.get()));
    SSL_set_fd(tls_.get(), descriptor_);
    return SSL_accept(tls_.get()) == 1;
  }
  /// On any thread; ends a read that waits.
  void shut_down() const { ::shutdown(descriptor_, SHUT_RDWR); }

 private:
  bool write_raw(std::string_view text) {
    if (tls_) return SSL_write(tls_.get(), text.data(), static_cast<int>(text.size())) > 0;
    while (!text.empty()) {
      const auto written = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }
  bool read_more() {
    std::array<char, 4096> buffer;
    if (codec_) {
      const auto plain = codec_->decompress(buffer);
      if (!plain) return false;
      input_.append(buffer.data(), *plain);
      if (*plain > 0) return true;
    }
    const auto receive = [&]() -> ssize_t {
      if (tls_) return SSL_read(tls_.get(), buffer.data(), static_cast<int>(buffer.size()));
      return ::recv(descriptor_, buffer.data(), buffer.size(), 0);
    };
    auto got = receive();
    while (!tls_ && got < 0 && errno == EINTR) got = receive();
    if (got <= 0) return false;
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
    if (codec_) {
      codec_->feed(bytes);
    } else {
      input_.append(bytes);
    }
    return true;
  }

  struct FreeTls {
    void operator()(SSL* tls) const { SSL_free(tls); }
  };
  const int descriptor_;
  std::string input_;
  std::unique_ptr<imap::DeflateCodec> codec_;
  std::unique_ptr<SSL, FreeTls> tls_;
};

}  // namespace imapfs::test
