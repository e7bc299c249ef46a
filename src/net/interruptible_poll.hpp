#pragma once
// poll(2) that also ends when a stop token is triggered or a deadline passes.
//
// A stop callback writes an eventfd that is polled beside the sockets, so a waiting thread wakes within microseconds of
// request_stop() from any thread. One thread waits at a time.

#include <poll.h>

#include <span>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "net/descriptor.hpp"

namespace imapfs::net {

class InterruptiblePoll {
 public:
  InterruptiblePoll();

  /// Waits until one of `sockets` is ready (its revents are set), at most until `until` if that is earlier than the
  /// context's deadline: then it succeeds with nothing ready. At most 15 sockets. Errors: EINTR, ETIMEDOUT; scope
  /// request.
  Result<void> wait(std::span<pollfd> sockets, const CallContext& context, Deadline until = Deadline::max());
  /// The same for one socket.
  Result<void> wait(int socket, short events, const CallContext& context);

 private:
  void clear();

  Descriptor wake_;
};

}  // namespace imapfs::net
