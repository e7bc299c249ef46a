#include "imap_stream.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace imapfs::testing {

ImapStream::ImapStream(SSL_CTX* context, int socket) : ssl_(SSL_new(context)), socket_(socket) {
  SSL_set_fd(ssl_, socket_);
}

ImapStream::~ImapStream() {
  SSL_free(ssl_);
  ::close(socket_);
}

bool ImapStream::handshake() { return SSL_accept(ssl_) == 1; }

std::optional<std::string> ImapStream::line() {
  for (;;) {
    if (const auto end = input_.find('\n'); end != std::string::npos) {
      auto line = input_.substr(0, end);
      input_.erase(0, end + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      return line;
    }
    if (!read_more()) return std::nullopt;
  }
}

std::optional<std::string> ImapStream::octets(std::size_t count) {
  while (input_.size() < count) {
    if (!read_more()) return std::nullopt;
  }
  auto octets = input_.substr(0, count);
  input_.erase(0, count);
  return octets;
}

bool ImapStream::send(const std::string& text) {
  return text.empty() || SSL_write(ssl_, text.data(), static_cast<int>(text.size())) > 0;
}

bool ImapStream::readable_before(int descriptor) {
  if (!input_.empty() || SSL_pending(ssl_) > 0) return true;
  std::array<pollfd, 2> waiting = {{{socket_, POLLIN, 0}, {descriptor, POLLIN, 0}}};
  while (::poll(waiting.data(), waiting.size(), -1) < 0 && errno == EINTR) {
  }
  if (waiting[0].revents != 0) return true;
  std::uint64_t count = 0;
  (void)!::read(descriptor, &count, sizeof count);
  return false;
}

void ImapStream::shut_down() { ::shutdown(socket_, SHUT_RDWR); }

bool ImapStream::read_more() {
  std::array<char, 16384> buffer;
  const int got = SSL_read(ssl_, buffer.data(), static_cast<int>(buffer.size()));
  if (got <= 0) return false;
  input_.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

}  // namespace imapfs::testing
