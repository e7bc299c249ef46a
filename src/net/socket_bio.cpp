#include "net/socket_bio.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace imapfs::net {
namespace {

SocketState& state_of(BIO* bio) { return *static_cast<SocketState*>(BIO_get_data(bio)); }

/// Records why recv or send failed and tells OpenSSL whether to try again.
void note_failure(BIO* bio, SocketState& state, int errnum, bool reading) {
  if (errnum == EAGAIN || errnum == EWOULDBLOCK) {
    state.would_block = true;
    if (reading) BIO_set_retry_read(bio);
    else BIO_set_retry_write(bio);
  } else {
    state.errnum = errnum;
  }
}

int read_socket(BIO* bio, char* buffer, std::size_t size, std::size_t* count) {
  auto& state = state_of(bio);
  BIO_clear_retry_flags(bio);
  *count = 0;
  ssize_t received = 0;
  do received = ::recv(state.socket, buffer, size, MSG_DONTWAIT);
  while (received < 0 && errno == EINTR);
  if (received < 0) {
    note_failure(bio, state, errno, true);
    return 0;
  }
  if (received == 0) {
    state.end_of_file = true;
    return 0;
  }
  if (!state.saw_first_byte) {
    state.saw_first_byte = true;
    state.first_byte = static_cast<std::uint8_t>(*buffer);
  }
  *count = static_cast<std::size_t>(received);
  return 1;
}

int write_socket(BIO* bio, const char* bytes, std::size_t size, std::size_t* count) {
  auto& state = state_of(bio);
  BIO_clear_retry_flags(bio);
  *count = 0;
  ssize_t sent = 0;
  do sent = ::send(state.socket, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    note_failure(bio, state, errno, false);
    return 0;
  }
  *count = static_cast<std::size_t>(sent);
  return 1;
}

long control_socket(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_EOF: return state_of(bio).end_of_file ? 1 : 0;
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_PUSH:
    case BIO_CTRL_POP:
    case BIO_CTRL_DUP: return 1;
    default: return 0;
  }
}

BIO_METHOD* socket_method() {
  static const std::unique_ptr<BIO_METHOD, decltype(&BIO_meth_free)> method = [] {
    BIO_METHOD* created = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "imapfs socket");
    if (created != nullptr) {
      BIO_meth_set_read_ex(created, read_socket);
      BIO_meth_set_write_ex(created, write_socket);
      BIO_meth_set_ctrl(created, control_socket);
    }
    return std::unique_ptr<BIO_METHOD, decltype(&BIO_meth_free)>(created, &BIO_meth_free);
  }();
  return method.get();
}

}  // namespace

std::unique_ptr<BIO, BioDeleter> make_socket_bio(SocketState& state) {
  const auto* const method = socket_method();
  std::unique_ptr<BIO, BioDeleter> bio(method == nullptr ? nullptr : BIO_new(method));
  if (bio) {
    BIO_set_data(bio.get(), &state);
    BIO_set_init(bio.get(), 1);
  }
  return bio;
}

}  // namespace imapfs::net
