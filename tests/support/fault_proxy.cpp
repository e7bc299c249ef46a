#include "fault_proxy.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace imapfs::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t piece_bytes = 16384;
constexpr std::size_t queue_bytes = 8 << 20;
constexpr std::size_t max_boundaries = 4096;
constexpr std::size_t max_recorded = 1 << 20;

class File {
 public:
  explicit File(int number = -1) : number_(number) {}
  ~File() {
    if (number_ >= 0) ::close(number_);
  }
  File(File&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void make_prompt(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
}

File bound_to(std::uint16_t port) {
  File socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  ::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto address = loopback(port);
  if (::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("fault proxy: no port to bind to");
  }
  return socket;
}

std::uint16_t port_of(const File& socket) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  ::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

/// Bytes on their way from one socket to the other.
struct Flow {
  struct Piece {
    std::string bytes;
    std::size_t sent = 0;
    Clock::time_point due;
  };
  std::deque<Piece> pieces;
  std::size_t queued = 0;
  bool source_ended = false;
  bool target_full = false;

  [[nodiscard]] bool wants_input() const { return !source_ended && queued < queue_bytes; }
  [[nodiscard]] bool finished() const { return source_ended && pieces.empty(); }
};

struct Connection {
  File client;
  File server;
  Flow up;    ///< to the server
  Flow down;  ///< to the client
  bool over = false;
};

/// What has passed. Any thread.
class Traffic {
 public:
  using Direction = FaultProxy::Direction;

  [[nodiscard]] FaultProxy::Counters counters() const {
    const std::lock_guard guard(mutex_);
    return counters_;
  }
  [[nodiscard]] std::vector<std::uint64_t> boundaries() const {
    const std::lock_guard guard(mutex_);
    return boundaries_;
  }
  [[nodiscard]] std::string recorded(Direction direction) const {
    const std::lock_guard guard(mutex_);
    return recorded_.at(static_cast<std::size_t>(direction));
  }
  /// Afresh, if `on`.
  void record(bool on) {
    const std::lock_guard guard(mutex_);
    recording_ = on;
    if (on) recorded_ = {};
  }
  void add_connection() {
    const std::lock_guard guard(mutex_);
    ++counters_.connections;
  }
  void add_cut() {
    const std::lock_guard guard(mutex_);
    ++counters_.cuts;
  }
  void add(std::string_view bytes, Direction direction) {
    const std::lock_guard guard(mutex_);
    (direction == Direction::from_server ? counters_.bytes_from_server : counters_.bytes_from_client) += bytes.size();
    auto& record = recorded_.at(static_cast<std::size_t>(direction));
    if (recording_) record.append(bytes.substr(0, max_recorded - std::min(max_recorded, record.size())));
  }
  /// A piece that the server sent at once ends here.
  void add_boundary() {
    const std::lock_guard guard(mutex_);
    if (boundaries_.size() < max_boundaries) boundaries_.push_back(counters_.bytes_from_server);
  }

 private:
  mutable std::mutex mutex_;
  FaultProxy::Counters counters_;
  std::vector<std::uint64_t> boundaries_;
  bool recording_ = false;
  std::array<std::string, 2> recorded_;
};

}  // namespace

class FaultProxy::Implementation {
 public:
  explicit Implementation(std::uint16_t server_port)
      : server_port_(server_port), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    // A port given to bind() by number is kept while the socket does not listen (set_refusing), one chosen by the
    // kernel is not.
    port_ = port_of(bound_to(0));
    listener_ = bound_to(port_);
    ::listen(listener_.number(), SOMAXCONN);
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  ~Implementation() {
    thread_.request_stop();
    wake();
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] Traffic& traffic() { return traffic_; }
  template <class Function>
  void change(Function&& function) {
    {
      const std::lock_guard guard(mutex_);
      function(wishes_);
    }
    wake();
  }
  void set_trap(const std::optional<Trap>& trap) {
    const std::lock_guard guard(mutex_);
    wishes_.trap = trap;
    sprung_ = false;
  }
  bool wait_for_trap(std::chrono::milliseconds time) const {
    std::unique_lock lock(mutex_);
    return trap_sprung_.wait_for(lock, time, [this] { return sprung_; });
  }
  /// Returns when it has happened.
  void set_refusing(bool on) {
    const std::lock_guard guard(mutex_);
    // Linux: a listening socket that is shut down stays bound, and may listen again.
    if (on) ::shutdown(listener_.number(), SHUT_RDWR);
    if (!on) ::listen(listener_.number(), SOMAXCONN);
    wishes_.refusing = on;
    wake();
  }

  struct Wishes {
    Link from_client;
    Link from_server;
    std::optional<Trap> trap;
    bool black_hole = false;
    bool refusing = false;
    bool drop = false;
    bool silence = false;
  };

 private:
  void wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.number(), &one, sizeof one);
  }

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto wishes = take_wishes();
      if (wishes.silence) silent_.splice(silent_.end(), connections_);
      if (wishes.drop) connections_.clear(), silent_.clear();
      wait(wishes);
      if (!wishes.refusing) accept_all();
      if (wishes.black_hole) continue;
      for (auto& connection : connections_) serve(connection, wishes);
      connections_.remove_if([](const Connection& connection) { return connection.over; });
    }
  }

  Wishes take_wishes() {
    const std::lock_guard guard(mutex_);
    auto wishes = wishes_;
    wishes_.drop = wishes_.silence = false;
    return wishes;
  }

  void wait(const Wishes& wishes) {
    std::vector<pollfd> sockets{{wake_.number(), POLLIN, 0}};
    if (!wishes.refusing) sockets.push_back({listener_.number(), POLLIN, 0});
    auto until = Clock::time_point::max();
    if (!wishes.black_hole) {
      for (const auto& connection : connections_) {
        add_interest(sockets, connection.client, connection.up, connection.down);
        add_interest(sockets, connection.server, connection.down, connection.up);
        for (const auto* flow : {&connection.up, &connection.down}) {
          if (!flow->pieces.empty() && !flow->target_full) until = std::min(until, flow->pieces.front().due);
        }
      }
    }
    timespec timeout{};
    if (until != Clock::time_point::max()) {
      const auto left = std::max<Clock::duration>(until - Clock::now(), Clock::duration::zero());
      timeout.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(left).count();
      timeout.tv_nsec = (left % std::chrono::seconds(1)).count();
    }
    ::ppoll(sockets.data(), sockets.size(), until == Clock::time_point::max() ? nullptr : &timeout, nullptr);
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake_.number(), &count, sizeof count);
  }

  static void add_interest(std::vector<pollfd>& sockets, const File& socket, const Flow& out, const Flow& in) {
    short events = 0;
    if (out.wants_input()) events |= POLLIN;
    if (in.target_full) events |= POLLOUT;
    // Without interest a socket is left out: poll would report an end of the connection for ever.
    if (events != 0) sockets.push_back({socket.number(), events, 0});
  }

  void accept_all() {
    while (true) {
      File client(::accept4(listener_.number(), nullptr, nullptr, SOCK_CLOEXEC));
      if (client.number() < 0) return;
      traffic_.add_connection();
      File server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      auto address = loopback(server_port_);
      if (::connect(server.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) continue;
      make_prompt(client.number());
      make_prompt(server.number());
      connections_.push_back({std::move(client), std::move(server), {}, {}});
    }
  }

  void serve(Connection& connection, const Wishes& wishes) {
    take(connection.up, connection.client, wishes.from_client, up_free_, connection);
    take(connection.down, connection.server, wishes.from_server, down_free_, connection);
    if (!connection.over) give(connection.up, connection.server, connection, false);
    if (!connection.over) give(connection.down, connection.client, connection, true);
    if (connection.up.finished() && connection.down.finished()) connection.over = true;
  }

  /// Reads what there is, and decides when it arrives at the other end.
  static void take(Flow& flow, const File& source, const Link& link, Clock::time_point& link_free,
                   Connection& connection) {
    while (flow.wants_input()) {
      std::array<char, piece_bytes> buffer;
      const auto got = ::recv(source.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (got < 0) connection.over = true;
      if (got <= 0) {
        flow.source_ended = true;
        return;
      }
      auto passed = Clock::now();
      if (link.bytes_per_second > 0) {
        passed = std::max(passed, link_free) +
                 std::chrono::nanoseconds(static_cast<std::uint64_t>(got) * 1'000'000'000 / link.bytes_per_second);
        link_free = passed;
      }
      flow.pieces.push_back({std::string(buffer.data(), static_cast<std::size_t>(got)), 0, passed + link.delay});
      flow.queued += static_cast<std::size_t>(got);
    }
  }

  /// Sends what is due.
  void give(Flow& flow, const File& target, Connection& connection, bool to_client) {
    const auto direction = to_client ? Direction::from_server : Direction::from_client;
    flow.target_full = false;
    while (!flow.pieces.empty() && flow.pieces.front().due <= Clock::now()) {
      auto& piece = flow.pieces.front();
      const auto length = up_to_the_trap(std::string_view(piece.bytes).substr(piece.sent), direction, connection);
      if (length == 0) return;
      const auto sent = ::send(target.number(), piece.bytes.data() + piece.sent, length, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) {
        flow.target_full = errno == EAGAIN || errno == EWOULDBLOCK;
        connection.over = !flow.target_full;
        return;
      }
      const auto count = static_cast<std::size_t>(sent);
      note(std::string_view(piece.bytes).substr(piece.sent, count), direction, connection);
      piece.sent += count;
      flow.queued -= count;
      if (connection.over) return;
      if (piece.sent < piece.bytes.size()) continue;
      flow.pieces.pop_front();
      if (to_client) traffic_.add_boundary();
    }
    if (flow.finished()) ::shutdown(target.number(), SHUT_WR);
  }

  /// How many of `bytes` may go; 0: none, the trap is here or has been sprung.
  std::size_t up_to_the_trap(std::string_view bytes, Direction direction, Connection& connection) {
    const std::lock_guard guard(mutex_);
    if (wishes_.black_hole) return 0;
    if (!wishes_.trap || wishes_.trap->direction != direction) return bytes.size();
    const auto& trap = *wishes_.trap;
    if (!trap.at.empty() && bytes.find(trap.at) == std::string_view::npos) return bytes.size();
    if (!trap.at.empty() || trap.bytes == 0) {
      spring(connection);
      return 0;
    }
    return static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), trap.bytes));
  }

  /// These bytes have been sent.
  void note(std::string_view bytes, Direction direction, Connection& connection) {
    traffic_.add(bytes, direction);
    const std::lock_guard guard(mutex_);
    if (!wishes_.trap || wishes_.trap->direction != direction || !wishes_.trap->at.empty()) return;
    wishes_.trap->bytes -= std::min<std::uint64_t>(wishes_.trap->bytes, bytes.size());
    if (wishes_.trap->bytes == 0) spring(connection);
  }

  void spring(Connection& connection) {
    if (wishes_.trap->action == Trap::Action::cut) {
      connection.over = true;
      traffic_.add_cut();
    } else {
      wishes_.black_hole = true;
    }
    wishes_.trap.reset();
    sprung_ = true;
    trap_sprung_.notify_all();
  }

  const std::uint16_t server_port_;
  std::uint16_t port_ = 0;
  File listener_;
  File wake_;
  mutable std::mutex mutex_;
  mutable std::condition_variable trap_sprung_;
  bool sprung_ = false;  // guarded by mutex_
  Wishes wishes_;        // guarded by mutex_
  Traffic traffic_;
  std::list<Connection> connections_;  // of the thread
  std::list<Connection> silent_;       // of the thread: stand, and are not served any more
  Clock::time_point up_free_;          // of the thread: when the link has sent what it was given
  Clock::time_point down_free_;        // of the thread
  std::jthread thread_;
};

FaultProxy::FaultProxy(std::uint16_t server_port) : implementation_(std::make_unique<Implementation>(server_port)) {}
FaultProxy::~FaultProxy() = default;
std::uint16_t FaultProxy::port() const { return implementation_->port(); }
FaultProxy::Counters FaultProxy::counters() const { return implementation_->traffic().counters(); }
std::vector<std::uint64_t> FaultProxy::boundaries() const { return implementation_->traffic().boundaries(); }
void FaultProxy::set_link(Link from_client, Link from_server) {
  implementation_->change([&](auto& wishes) {
    wishes.from_client = from_client;
    wishes.from_server = from_server;
  });
}
void FaultProxy::cut_after(std::optional<std::uint64_t> bytes) {
  set_trap(bytes ? std::optional(Trap{Direction::from_server, *bytes, Trap::Action::cut}) : std::nullopt);
}
void FaultProxy::set_trap(std::optional<Trap> trap) { implementation_->set_trap(trap); }
bool FaultProxy::wait_for_trap(std::chrono::milliseconds time) const { return implementation_->wait_for_trap(time); }
void FaultProxy::release() {
  implementation_->change([](auto& wishes) {
    wishes.trap.reset();
    wishes.drop = true;
    wishes.black_hole = false;
  });
}
void FaultProxy::record(bool on) { implementation_->traffic().record(on); }
std::string FaultProxy::recorded(Direction direction) const { return implementation_->traffic().recorded(direction); }
void FaultProxy::set_black_hole(bool on) {
  implementation_->change([&](auto& wishes) { wishes.black_hole = on; });
}
void FaultProxy::set_refusing(bool on) { implementation_->set_refusing(on); }
void FaultProxy::silence_connections() {
  implementation_->change([](auto& wishes) { wishes.silence = true; });
}
void FaultProxy::drop_connections() {
  implementation_->change([](auto& wishes) { wishes.drop = true; });
}

}  // namespace imapfs::testing
