#pragma once
// A bidirectional byte transport: TCP, TLS over TCP, or a test's script.
//
// One thread uses a stream at a time. A blocking call ends at the CallContext's deadline (ETIMEDOUT), when any thread
// requests a stop (EINTR, within a millisecond), or when the peer is gone (read: 0 bytes at a clean end; otherwise
// ECONNRESET or the like). Errors have scope session; the stream cannot be used afterwards.

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs::net {

class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Reads at least one byte, or returns 0 at the end of the stream.
  virtual Result<std::size_t> read(std::span<char> buffer, const CallContext& context) = 0;
  /// Writes everything.
  virtual Result<void> write(std::span<const char> bytes, const CallContext& context) = 0;
  /// Waits until read() would return at once (data, end or error). ETIMEDOUT and EINTR leave the stream usable.
  virtual Result<void> wait_readable(const CallContext& context) = 0;
  /// "TLSv1.3 TLS_AES_256_GCM_SHA384" or "plain": for status and logs.
  [[nodiscard]] virtual std::string description() const = 0;
  /// Gives up the ownership of the descriptor, for start_tls(); -1 if there is none or data is still buffered.
  virtual int release_descriptor() { return -1; }
};

}  // namespace imapfs::net
