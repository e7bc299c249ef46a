#pragma once
// poll(2) that also ends when a stop token is triggered or a deadline passes.
//
// A stop callback writes to an eventfd that is polled beside the sockets: a waiting thread wakes within microseconds of
// request_stop() on any thread. One thread waits at a time.

#include <poll.h>

#include <span>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "net/descriptor.hpp"

namespace imapfs::net {

class InterruptiblePoll {
 public:
  InterruptiblePoll();

  /// Waits until one of `sockets` is ready and sets its revents. If `until` passes before the context's deadline,
  /// succeeds with nothing ready. At most 15 sockets. Errors: EINTR, ETIMEDOUT; scope request.
  Result<void> wait(std::span<pollfd> sockets, const CallContext& context, Deadline until = Deadline::max());
  Result<void> wait(int socket, short events, const CallContext& context);

 private:
  void clear();

  Descriptor wake_;
};

}  // namespace imapfs::net
