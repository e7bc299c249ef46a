#include "net/interruptible_poll.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <stop_token>

namespace imapfs::net {

InterruptiblePoll::InterruptiblePoll() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void InterruptiblePoll::clear() {
  std::uint64_t count = 0;
  while (::read(wake_.number(), &count, sizeof count) < 0 && errno == EINTR) {
  }
}

Result<void> InterruptiblePoll::wait(std::span<pollfd> sockets, const CallContext& context, Deadline until) {
  std::array<pollfd, 16> watched{};
  if (!wake_.valid()) return fail(system_error(EMFILE, "no descriptor left to wait for the network"));
  if (sockets.size() >= watched.size()) return fail(EINVAL, "too many sockets to wait for");
  std::copy(sockets.begin(), sockets.end(), watched.begin());
  watched[sockets.size()] = {wake_.number(), POLLIN, 0};
  const CallContext bounded{{}, std::min(context.deadline, until)};

  int ready = 0;
  {
    const int wake = wake_.number();
    const std::stop_callback wake_up(context.stop, [wake] {
      const std::uint64_t one = 1;
      [[maybe_unused]] const auto written = ::write(wake, &one,
                                                    sizeof one);  // fails only if the descriptor is readable already
    });
    do {
      ready = ::poll(watched.data(), sockets.size() + 1, bounded.poll_timeout());
    } while (ready < 0 && errno == EINTR && !context.cancelled());
  }
  // The callback cannot run any more. Clear what it wrote, so that it does not end a later wait.
  if (context.cancelled()) {
    clear();
    return fail(EINTR, "cancelled");
  }
  if (ready < 0) return fail(system_error(errno, "poll"));
  std::copy_n(watched.begin(), sockets.size(), sockets.begin());
  if (ready > 0 || until < context.deadline) return {};
  return fail(ETIMEDOUT, Scope::request, Retry::later, "no answer within the time limit");
}

Result<void> InterruptiblePoll::wait(int socket, short events, const CallContext& context) {
  std::array<pollfd, 1> one{{{socket, events, 0}}};
  return wait(one, context);
}

}  // namespace imapfs::net
