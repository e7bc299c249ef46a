// Resolving, connecting, and the plain stream.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <csignal>
#include <future>

#include "imapfs/net/tls_stream.hpp"
#include "net/resolver.hpp"

namespace imapfs::net {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

CallContext patience() { return CallContext::within(20s); }

/// A listening socket on loopback with a port of the system's choice.
class Listener {
 public:
  explicit Listener(bool listening = true) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address_;
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address_), length) != 0) throw std::runtime_error("bind");
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address_), &length);
    if (listening) ::listen(socket_, 4);
  }
  ~Listener() { ::close(socket_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  [[nodiscard]] std::uint16_t port() const { return ntohs(address_.sin_port); }
  [[nodiscard]] int accept() const { return ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC); }

 private:
  int socket_;
  sockaddr_in address_{};
};

int option(int socket, int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  ::getsockopt(socket, level, name, &value, &length);
  return value;
}

TEST(Tcp, AConnectionIsSetUpForSmallWritesAndForLostPeers) {
  const Listener listener;
  auto stream = connect_tcp({"127.0.0.1", listener.port()}, patience());
  ASSERT_TRUE(stream) << stream.error().what;
  EXPECT_EQ((*stream)->description(), "plain");
  const int socket = (*stream)->release_descriptor();
  EXPECT_NE(option(socket, IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_NE(option(socket, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(option(socket, IPPROTO_TCP, TCP_KEEPIDLE), 30);
  EXPECT_EQ(option(socket, IPPROTO_TCP, TCP_KEEPINTVL), 10);
  EXPECT_EQ(option(socket, IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT), 15'000);
  ::close(socket);
  EXPECT_EQ((*stream)->release_descriptor(), -1);
}

TEST(Tcp, ANameIsTriedWithEveryAddressItHas) {
  const Listener listener;  // "localhost" is often ::1 first, where nobody listens
  auto stream = connect_tcp({"localhost", listener.port()}, patience());
  EXPECT_TRUE(stream) << stream.error().what;
}

TEST(Tcp, ARefusedConnectionSaysWhereAndWhy) {
  const Listener closed(false);
  const auto stream = connect_tcp({"127.0.0.1", closed.port()}, patience());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().errnum, EHOSTUNREACH);
  EXPECT_EQ(stream.error().scope, Scope::session);
  EXPECT_EQ(stream.error().retry, Retry::later);
  EXPECT_EQ(stream.error().what,
            fmt::format("connect to 127.0.0.1 port {}: Connection refused (127.0.0.1)", closed.port()));
}

TEST(Tcp, AnEmptyHostNeverReachesTheResolver) {
  const auto stream = connect_tcp({"", 993}, patience());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().scope, Scope::account);
}

TEST(Resolver, AddressesNeedNoLookup) {
  const Lookup never = [](const Endpoint&, int) -> Result<std::vector<Address>> {
    ADD_FAILURE();
    return fail(EIO, "called");
  };
  const auto v6 = resolve({"2001:db8::1", 993}, patience(), never);
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->front().to_string(), "2001:db8::1");
  EXPECT_TRUE(resolve({"192.0.2.1", 993}, patience(), never));
}

TEST(Resolver, AMuteNameServerCostsTheCallerNoMoreThanItsDeadlineOrStop) {
  std::promise<void> release;
  const auto released = release.get_future().share();
  const Lookup mute = [released](const Endpoint&, int) -> Result<std::vector<Address>> {
    released.wait();
    return fail(EIO, "too late");
  };
  const auto timed_out = resolve({"mail.example.org", 993}, CallContext::within(5ms), mute);
  ASSERT_FALSE(timed_out);
  EXPECT_EQ(timed_out.error().errnum, ETIMEDOUT);
  std::stop_source stop;
  auto resolving = std::async(std::launch::async, [&] {
    return resolve({"mail.example.org", 993}, CallContext{stop.get_token(), Deadline::max()}, mute);
  });
  stop.request_stop();
  const auto stopped = resolving.get();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().errnum, EINTR);
  release.set_value();
}

TEST(Resolver, LookupsThatNobodyAnswersDoNotPileUpThreads) {
  std::promise<void> release;
  const auto released = release.get_future().share();
  const Lookup mute = [released](const Endpoint&, int) -> Result<std::vector<Address>> {
    released.wait();
    return fail(EIO, "too late");
  };
  int refused = 0;
  for (int attempt = 0; attempt < 12; ++attempt) {
    const auto found = resolve({"mail.example.org", 993}, CallContext::within(1ms), mute);
    ASSERT_FALSE(found);
    if (found.error().errnum == EHOSTUNREACH) ++refused;
  }
  EXPECT_GE(refused, 4);
  release.set_value();
  // The helpers end now, and new lookups work again.
  const Lookup works = [](const Endpoint&, int) -> Result<std::vector<Address>> { return std::vector<Address>(1); };
  const auto give_up = SteadyClock::now() + 20s;
  while (!resolve({"mail.example.org", 993}, patience(), works) && SteadyClock::now() < give_up)
    std::this_thread::yield();
  EXPECT_TRUE(resolve({"mail.example.org", 993}, patience(), works));
}

class PlainStreams : public ::testing::Test {
 protected:
  void SetUp() override {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    stream_ = adopt_descriptor(pair[0]);
    peer_ = pair[1];
  }
  void TearDown() override {
    if (peer_ >= 0) ::close(peer_);
  }
  void hang_up() { ::close(std::exchange(peer_, -1)); }
  std::unique_ptr<ByteStream> stream_;
  int peer_ = -1;
  std::array<char, 64> buffer_{};
};

TEST_F(PlainStreams, BytesArriveAndACleanEndIsZero) {
  ASSERT_EQ(::write(peer_, "hello", 5), 5);
  EXPECT_EQ(stream_->read(buffer_, patience()).value_or(0), 5u);
  hang_up();
  EXPECT_TRUE(stream_->wait_readable(patience()));
  EXPECT_EQ(stream_->read(buffer_, patience()).value_or(99), 0u);
}

TEST_F(PlainStreams, WritingToAPeerThatIsGoneIsAnErrorAndNoSignal) {
  std::signal(SIGPIPE, SIG_DFL);
  hang_up();
  const auto written = stream_->write(std::string(1 << 20, 'x'), patience());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().errnum, ECONNRESET);
}

TEST_F(PlainStreams, ACancelledContextEndsAReadEvenWhenDataKeepsComing) {
  ASSERT_EQ(::write(peer_, "hello", 5), 5);
  std::stop_source stop;
  stop.request_stop();
  const auto read = stream_->read(buffer_, {stop.get_token(), Deadline::max()});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().errnum, EINTR);
  EXPECT_EQ(read.error().scope, Scope::session);
}

TEST_F(PlainStreams, AStoppedWaitDoesNotWakeTheNextOne) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(stream_->wait_readable({stop.get_token(), Deadline::max()}));
  const auto timed = stream_->wait_readable(CallContext::within(2ms));
  ASSERT_FALSE(timed);
  EXPECT_EQ(timed.error().errnum, ETIMEDOUT);
  ASSERT_EQ(::write(peer_, "x", 1), 1);
  EXPECT_TRUE(stream_->wait_readable(patience()));
}

}  // namespace
}  // namespace imapfs::net
