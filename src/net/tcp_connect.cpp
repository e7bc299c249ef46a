// Connecting to the first address that answers.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <system_error>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/net/tls_stream.hpp"
#include "net/interruptible_poll.hpp"
#include "net/plain_stream.hpp"
#include "net/resolver.hpp"

namespace imapfs::net {
namespace {

/// RFC 8305 §5: after this time without an answer, the next address is tried beside the first.
constexpr std::chrono::milliseconds head_start{250};

void set_option(int socket, int level, int option, int value) {
  ::setsockopt(socket, level, option, &value, sizeof value);  // without the option the connection is slower, not wrong
}

void tune(int socket) {
  // Without it one APPEND takes 40 ms more: the end of the command waits for a delayed ACK.
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  // Detects after 30 + 3 * 10 s, instead of two hours, that a NAT has forgotten an idle connection.
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

/// The connection is given up when the server's host has acknowledged nothing for this long; the system's default is a
/// quarter of an hour. Half of the time that programs wait, so that another connection can be used in time. Does not
/// apply while connecting: a host may take its time for that.
constexpr int unacknowledged_ms = 15'000;

void tune_connected(int socket) { set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, unacknowledged_ms); }

/// The race between a host's addresses.
class Race {
 public:
  explicit Race(const std::vector<Address>& addresses) : addresses_(addresses) {}

  Result<Descriptor> run(const CallContext& context) {
    InterruptiblePoll poll;
    auto next_start = SteadyClock::now();
    while (!won_.valid()) {
      if (started_ < addresses_.size() && (SteadyClock::now() >= next_start || running_.empty())) {
        start(addresses_[started_++]);
        next_start = SteadyClock::now() + head_start;
        continue;
      }
      if (running_.empty()) return fail(EHOSTUNREACH, Scope::session, Retry::later, "{}", last_reason_);
      IMAPFS_TRY(wait(poll, context, started_ < addresses_.size() ? next_start : Deadline::max()));
    }
    tune_connected(won_.number());
    return std::move(won_);
  }

 private:
  struct Attempt {
    Descriptor socket;
    const Address* address;
  };

  void start(const Address& address) {
    Descriptor socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.valid()) return lost(address, errno);
    tune(socket.number());
    if (::connect(socket.number(), address.get(), address.length) == 0) {
      won_ = std::move(socket);
      return;
    }
    if (errno != EINPROGRESS) return lost(address, errno);
    running_.push_back({std::move(socket), &address});
  }

  Result<void> wait(InterruptiblePoll& poll, const CallContext& context, Deadline until) {
    std::vector<pollfd> sockets;
    for (const auto& attempt : running_) sockets.push_back({attempt.socket.number(), POLLOUT, 0});
    IMAPFS_TRY(poll.wait(sockets, context, until));
    for (std::size_t index = sockets.size(); index-- > 0;) {
      if (sockets[index].revents == 0) continue;
      int outcome = 0;
      socklen_t length = sizeof outcome;
      if (::getsockopt(sockets[index].fd, SOL_SOCKET, SO_ERROR, &outcome, &length) != 0) outcome = errno;
      if (outcome == 0) won_ = std::move(running_[index].socket);
      else lost(*running_[index].address, outcome);
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
    }
    return {};
  }

  void lost(const Address& address, int errnum) {
    last_reason_ = fmt::format("{} ({})", std::generic_category().message(errnum), address.to_string());
  }

  const std::vector<Address>& addresses_;
  std::size_t started_ = 0;
  std::vector<Attempt> running_;
  Descriptor won_;
  std::string last_reason_ = "no address";
};

}  // namespace

Result<std::unique_ptr<ByteStream>> connect_tcp(const Endpoint& endpoint, const CallContext& context) {
  const auto activity = fmt::format("connect to {} port {}", telemetry::printable(endpoint.host), endpoint.port);
  const auto addresses = IMAPFS_TRY_WHILE(activity, resolve(endpoint, context));
  auto socket = Race(addresses).run(context);
  if (!socket) {
    auto error = std::move(socket).error();
    error.scope = Scope::session;
    return fail(std::move(error).while_doing(activity));
  }
  return std::unique_ptr<ByteStream>(std::make_unique<PlainStream>(std::move(*socket)));
}

}  // namespace imapfs::net
