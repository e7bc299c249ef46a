#pragma once
// The server's end of one TLS connection over TCP, for the thread that serves it. shut_down() alone may come from
// another thread.

#include <openssl/ssl.h>

#include <cstddef>
#include <optional>
#include <string>

namespace imapfs::testing {

class ImapStream {
 public:
  /// Owns `socket`.
  ImapStream(SSL_CTX* context, int socket);
  ~ImapStream();
  ImapStream(const ImapStream&) = delete;
  ImapStream& operator=(const ImapStream&) = delete;

  [[nodiscard]] bool handshake();
  /// Without its line end; nothing when the connection has ended.
  std::optional<std::string> line();
  std::optional<std::string> octets(std::size_t count);
  bool send(const std::string& text);
  /// Waits until there is something to read (true) or `descriptor`, an eventfd, was written to (false, and it is read).
  bool readable_before(int descriptor);
  void shut_down();

 private:
  bool read_more();

  SSL* ssl_;
  int socket_;
  std::string input_;
};

}  // namespace imapfs::testing
