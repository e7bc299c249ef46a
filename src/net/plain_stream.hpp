#pragma once
// A connected stream socket as a ByteStream. The socket is made non-blocking.

#include <optional>

#include "imapfs/net/byte_stream.hpp"
#include "net/descriptor.hpp"
#include "net/interruptible_poll.hpp"

namespace imapfs::net {

/// Builds the errors of a stream's read() and write(). Even an interrupted wait ends the session, as bytes may be
/// missing.
Error session_error(int errnum, std::string_view activity);
Error as_session_error(Error error, std::string_view activity);

class PlainStream final : public ByteStream {
 public:
  explicit PlainStream(Descriptor socket);

  Result<std::size_t> read(std::span<char> buffer, const CallContext& context) override;
  Result<void> write(std::span<const char> bytes, const CallContext& context) override;
  Result<void> wait_readable(const CallContext& context) override;
  [[nodiscard]] std::string description() const override { return "plain"; }
  int release_descriptor() override { return socket_.release(); }

 private:
  Error broken(Error error, std::string_view activity);

  Descriptor socket_;
  InterruptiblePoll poll_;
  std::optional<Error> broken_;  ///< the first failure; every later call repeats it
};

}  // namespace imapfs::net
