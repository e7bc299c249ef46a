#include "net/plain_stream.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include "imapfs/net/tls_stream.hpp"

namespace imapfs::net {

Error session_error(int errnum, std::string_view activity) {
  // A peer that hangs up causes one of these errors; which one depends on what was in flight.
  const bool gone = errnum == ECONNRESET || errnum == EPIPE || errnum == ENOTCONN || errnum == ECONNABORTED;
  // From TCP_USER_TIMEOUT or keep-alive; our own deadlines never come this way.
  if (errnum == ETIMEDOUT) {
    return as_session_error({ECONNRESET, Scope::session, Retry::now, "the server's host does not answer"}, activity);
  }
  Error error = gone ? Error{ECONNRESET, Scope::session, Retry::now, "connection closed by the server"}
                     : system_error(errnum, "connection lost");
  return as_session_error(std::move(error), activity);
}

Error as_session_error(Error error, std::string_view activity) {
  error.scope = Scope::session;
  if (error.errnum == EINTR) error.retry = Retry::never;
  else if (error.errnum == ETIMEDOUT) error.retry = Retry::later;
  else error.retry = Retry::now;
  return std::move(error).while_doing(activity);
}

PlainStream::PlainStream(Descriptor socket) : socket_(std::move(socket)) {
  const int flags = ::fcntl(socket_.number(), F_GETFL);
  if (flags >= 0) ::fcntl(socket_.number(), F_SETFL, flags | O_NONBLOCK);
}

Error PlainStream::broken(Error error, std::string_view activity) {
  broken_ = as_session_error(std::move(error), activity);
  return *broken_;
}

Result<std::size_t> PlainStream::read(std::span<char> buffer, const CallContext& context) {
  if (broken_) return fail(*broken_);
  if (auto checked = context.check(); !checked) return fail(broken(std::move(checked).error(), "read"));
  while (true) {
    const ssize_t count = ::recv(socket_.number(), buffer.data(), buffer.size(), 0);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      broken_ = session_error(errno, "read");
      return fail(*broken_);
    }
    if (auto ready = poll_.wait(socket_.number(), POLLIN, context); !ready)
      return fail(broken(std::move(ready).error(), "read"));
  }
}

Result<void> PlainStream::write(std::span<const char> bytes, const CallContext& context) {
  if (broken_) return fail(*broken_);
  if (auto checked = context.check(); !checked) return fail(broken(std::move(checked).error(), "write"));
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      broken_ = session_error(errno, "write");
      return fail(*broken_);
    }
    if (auto ready = poll_.wait(socket_.number(), POLLOUT, context); !ready)
      return fail(broken(std::move(ready).error(), "write"));
  }
  return {};
}

Result<void> PlainStream::wait_readable(const CallContext& context) {
  if (broken_) return {};  // read() reports it at once
  return poll_.wait(socket_.number(), POLLIN, context);
}

std::unique_ptr<ByteStream> adopt_descriptor(int descriptor) {
  return std::make_unique<PlainStream>(Descriptor(descriptor));
}

}  // namespace imapfs::net
