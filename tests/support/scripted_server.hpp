#pragma once
// An IMAP server that follows a script, on the other end of a socketpair: what a test says it sends, byte for byte, and
// what it expects to be asked.
//
// Steps run on the server's own thread once client() was called. "{tag}" in what is sent is the tag of the last command
// received, "{previous tag}" that of the one before. A command that is not the expected one ends the connection and is
// reported by complaint(). The destructor joins.

#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "imap/wire/deflate_codec.hpp"
#include "imapfs/net/tls_stream.hpp"
#include "test_certificates.hpp"

namespace imapfs::test {

class ScriptedServer {
 public:
  ScriptedServer() {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()) != 0) std::abort();
  }
  ~ScriptedServer() {
    ::shutdown(ends_[1], SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    tls_.reset();
    ::close(ends_[1]);
    if (!client_taken_) ::close(ends_[0]);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  /// Sends text.
  ScriptedServer& send(std::string text) {
    steps_.push_back([this, text = std::move(text)] { return write_all(with_tag(text)); });
    return *this;
  }
  /// Sends `text` `count` times.
  ScriptedServer& flood(std::string text, std::size_t count) {
    steps_.push_back([this, text = std::move(text), count] {
      for (std::size_t i = 0; i < count; ++i) {
        if (!write_all(text)) return false;
      }
      return true;
    });
    return *this;
  }
  /// Waits for a command line that contains `part`, and remembers its tag.
  ScriptedServer& expect(std::string part) {
    steps_.push_back([this, part = std::move(part)] { return expect_line(part, true); });
    return *this;
  }
  /// Waits for a line that is no command: DONE, a SASL response, the octets of a literal.
  ScriptedServer& expect_bare(std::string part) {
    steps_.push_back([this, part = std::move(part)] { return expect_line(part, false); });
    return *this;
  }
  /// Takes the octets of a literal, as one entry of received() if they are few.
  ScriptedServer& receive(std::size_t octets) {
    steps_.push_back([this, octets] { return read_octets(octets); });
    return *this;
  }
  /// expect(), then untagged lines, then the tagged answer.
  ScriptedServer& answer(std::string part, std::string untagged, std::string answer = "OK done") {
    return expect(std::move(part)).send(std::move(untagged) + "{tag} " + std::move(answer) + "\r\n");
  }
  /// Runs `action` on the server's thread.
  ScriptedServer& call(std::function<void()> action) {
    steps_.push_back([action = std::move(action)] {
      action();
      return true;
    });
    return *this;
  }
  /// From here on both directions are raw DEFLATE (RFC 4978).
  ScriptedServer& compress() {
    steps_.push_back([this] {
      codec_ = std::make_unique<imap::DeflateCodec>();
      codec_->feed(std::exchange(input_, {}));
      return codec_->valid();
    });
    return *this;
  }
  /// From here on both directions are TLS, with the server's part of the handshake.
  ScriptedServer& secure(const imapfs::testing::Credential& credential) {
    steps_.push_back([this, credential] {
      const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
      SSL_CTX_use_certificate(context.get(), credential.certificate.get());
      SSL_CTX_use_PrivateKey(context.get(), credential.key.get());
      // OpenSSL's socket raises SIGPIPE in this thread when the client is gone.
      sigset_t signals;
      sigemptyset(&signals);
      sigaddset(&signals, SIGPIPE);
      pthread_sigmask(SIG_BLOCK, &signals, nullptr);
      tls_.reset(SSL_new(context.get()));
      SSL_set_fd(tls_.get(), ends_[1]);
      return SSL_accept(tls_.get()) == 1;
    });
    return *this;
  }
  /// Ends the connection.
  ScriptedServer& hang_up() {
    steps_.push_back([this] {
      ::shutdown(ends_[1], SHUT_RDWR);
      return false;
    });
    return *this;
  }
  /// The greeting and a login by the LOGIN command, with ENABLE answered as asked. `capabilities` hold after login.
  ScriptedServer& log_in(const std::string& capabilities, const std::string& greeting = "ready") {
    send("* OK [CAPABILITY IMAP4rev1] " + greeting + "\r\n");
    answer("LOGIN", "", "OK [CAPABILITY " + capabilities + "] logged in");
    const auto words = ' ' + capabilities + ' ';
    if (words.find(" ID ") != std::string::npos) answer("ID", "* ID NIL\r\n");
    if (words.find(" ENABLE ") != std::string::npos) {
      if (words.find(" QRESYNC ") != std::string::npos) {
        answer("ENABLE", "* ENABLED QRESYNC\r\n");
      } else if (words.find(" CONDSTORE ") != std::string::npos) {
        answer("ENABLE", "* ENABLED CONDSTORE\r\n");
      }
    }
    return *this;
  }

  /// The client's end. Starts the script.
  std::unique_ptr<net::ByteStream> client() {
    client_taken_ = true;
    thread_ = std::thread([this] { run(); });
    return net::adopt_descriptor(ends_[0]);
  }
  /// What was not as the script wanted; empty when all is well so far.
  [[nodiscard]] std::string complaint() {
    std::lock_guard guard(mutex_);
    return complaint_;
  }
  /// Every line received so far.
  [[nodiscard]] std::vector<std::string> received() {
    std::lock_guard guard(mutex_);
    return received_;
  }

 private:
  void run() {
    for (const auto& step : steps_) {
      if (!step()) break;
    }
    // The connection stays open, as a mute server's would, until the test or hang_up() ends it.
  }
  std::string with_tag(std::string text) const {
    const auto put = [&](std::string_view place, const std::string& tag) {
      for (auto at = text.find(place); at != std::string::npos; at = text.find(place))
        text.replace(at, place.size(), tag);
    };
    put("{tag}", tag_);
    put("{previous tag}", previous_tag_);
    return text;
  }
  bool write_all(std::string_view text) {
    if (!codec_) return write_raw(text);
    const auto compressed = codec_->compress(text);
    return compressed && write_raw(*compressed);
  }
  bool write_raw(std::string_view text) {
    if (tls_) return SSL_write(tls_.get(), text.data(), static_cast<int>(text.size())) > 0;
    while (!text.empty()) {
      const auto written = ::send(ends_[1], text.data(), text.size(), MSG_NOSIGNAL);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }
  bool read_line(std::string& line) {
    while (true) {
      if (const auto end = input_.find('\n'); end != std::string::npos) {
        line = input_.substr(0, end);
        input_.erase(0, end + 1);
        if (!line.empty() && line.back() == '\r') line.pop_back();
        std::lock_guard guard(mutex_);
        received_.push_back(line);
        return true;
      }
      if (!read_more()) return false;
    }
  }
  bool read_octets(std::size_t octets) {
    constexpr std::size_t few = 4096;
    std::string taken;
    while (octets > 0) {
      if (input_.empty() && !read_more()) return false;
      const auto count = std::min(octets, input_.size());
      if (taken.size() < few) taken.append(input_, 0, count);
      input_.erase(0, count);
      octets -= count;
    }
    std::lock_guard guard(mutex_);
    received_.push_back(taken.substr(0, few));
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
      return ::recv(ends_[1], buffer.data(), buffer.size(), 0);
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
  bool expect_line(const std::string& part, bool command) {
    std::string line;
    if (!read_line(line)) return false;
    if (line.find(part) == std::string::npos) {
      {
        std::lock_guard guard(mutex_);
        complaint_ = "expected \"" + part + "\", got \"" + line + "\"";
      }
      ::shutdown(ends_[1], SHUT_RDWR);
      return false;
    }
    if (command) previous_tag_ = std::exchange(tag_, line.substr(0, line.find(' ')));
    return true;
  }

  std::array<int, 2> ends_{};
  bool client_taken_ = false;
  std::vector<std::function<bool()>> steps_;
  std::thread thread_;
  std::string tag_;                            // script thread only
  std::string previous_tag_;                   // script thread only
  std::string input_;                          // script thread only
  std::unique_ptr<imap::DeflateCodec> codec_;  // script thread only
  struct FreeTls {
    void operator()(SSL* tls) const { SSL_free(tls); }
  };
  std::unique_ptr<SSL, FreeTls> tls_;  // script thread only, and the destructor
  std::mutex mutex_;
  std::string complaint_;
  std::vector<std::string> received_;
};

}  // namespace imapfs::test
