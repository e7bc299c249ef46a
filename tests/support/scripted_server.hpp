#pragma once
// An IMAP server that follows a script, on the other end of a socketpair: what a test says it sends, byte for byte, and
// what it expects to be asked.
//
// Steps run on the server's own thread once client() was called. "{tag}" in what is sent is the tag of the last command
// received, "{previous tag}" that of the one before. A command that is not the expected one ends the connection and is
// reported by complaint(). The destructor joins.

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "imapfs/net/tls_stream.hpp"
#include "scripted_stream.hpp"

namespace imapfs::test {

class ScriptedServer {
 public:
  ScriptedServer() : ScriptedServer(connected_pair()) {}
  ~ScriptedServer() {
    stream_.shut_down();
    if (thread_.joinable()) thread_.join();
    if (!client_taken_) ::close(client_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  /// Sends text.
  ScriptedServer& send(std::string text) {
    steps_.push_back([this, text = std::move(text)] { return stream_.write(with_tag(text)); });
    return *this;
  }
  /// Sends `text` `count` times.
  ScriptedServer& flood(std::string text, std::size_t count) {
    steps_.push_back([this, text = std::move(text), count] {
      for (std::size_t i = 0; i < count; ++i) {
        if (!stream_.write(text)) return false;
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
  /// Waits for a line that is no command: DONE, a SASL response, the bytes of a literal.
  ScriptedServer& expect_bare(std::string part) {
    steps_.push_back([this, part = std::move(part)] { return expect_line(part, false); });
    return *this;
  }
  /// Takes the bytes of a literal, as one entry of received(), which keeps the first of them.
  ScriptedServer& receive(std::size_t bytes) {
    steps_.push_back([this, bytes] { return note(stream_.read_bytes(bytes)); });
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
    steps_.push_back([this] { return stream_.compress(); });
    return *this;
  }
  /// From here on both directions are TLS, with the server's part of the handshake.
  ScriptedServer& secure(const imapfs::testing::Credential& credential) {
    steps_.push_back([this, credential] { return stream_.secure(credential); });
    return *this;
  }
  /// Ends the connection.
  ScriptedServer& hang_up() {
    steps_.push_back([this] {
      stream_.shut_down();
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
    return net::adopt_descriptor(client_);
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
  static std::array<int, 2> connected_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) std::abort();
    return ends;
  }
  explicit ScriptedServer(std::array<int, 2> ends) : client_(ends[0]), stream_(ends[1]) {}

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
  /// Whether something has come.
  bool note(const std::optional<std::string>& came) {
    if (!came) return false;
    const std::lock_guard guard(mutex_);
    received_.push_back(*came);
    return true;
  }
  bool expect_line(const std::string& part, bool command) {
    const auto line = stream_.read_line();
    if (!note(line)) return false;
    if (line->find(part) == std::string::npos) {
      {
        const std::lock_guard guard(mutex_);
        complaint_ = "expected \"" + part + "\", got \"" + *line + "\"";
      }
      stream_.shut_down();
      return false;
    }
    if (command) previous_tag_ = std::exchange(tag_, line->substr(0, line->find(' ')));
    return true;
  }

  const int client_;
  bool client_taken_ = false;
  ScriptedStream stream_;
  std::vector<std::function<bool()>> steps_;
  std::thread thread_;
  std::string tag_;           // script thread only
  std::string previous_tag_;  // script thread only
  std::mutex mutex_;
  std::string complaint_;
  std::vector<std::string> received_;
};

}  // namespace imapfs::test
