// Data, ends and interruptions of a TLS stream.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <future>
#include <random>

#include "imapfs/net/tls_stream.hpp"
#include "support/test_certificates.hpp"
#include "support/tls_peer.hpp"

namespace imapfs::net {
namespace {

using namespace std::chrono_literals;
using imapfs::testing::make_credential;
using imapfs::testing::TlsPeer;
using ::testing::HasSubstr;

class TlsStreams : public ::testing::Test {
 protected:
  std::unique_ptr<ByteStream> connect(TlsPeer& peer) {
    TlsSettings settings;
    settings.fingerprint = credential_.fingerprint();
    auto stream = start_tls(adopt_descriptor(peer.take_client()), "mail.example.org", settings, patience());
    if (!stream) throw std::runtime_error(stream.error().what);
    return std::move(*stream);
  }
  static CallContext patience() { return CallContext::within(30s); }
  static std::string read_exactly(ByteStream& stream, std::size_t size) {
    std::string text(size, 0);
    std::size_t count = 0;
    while (count < size) {
      const auto part = stream.read({text.data() + count, size - count}, patience());
      if (!part || *part == 0) break;
      count += *part;
    }
    text.resize(count);
    return text;
  }

  imapfs::testing::Credential credential_ = make_credential({});
  TlsPeer::Options options_{.credential = credential_};
};

std::string random_text(std::size_t size) {
  std::mt19937_64 generator(4711);
  std::string text(size, 0);
  for (auto& byte : text) byte = static_cast<char>(generator());
  return text;
}

TEST_F(TlsStreams, TenMegabytesPassUnchangedInBothDirections) {
  const auto sent = random_text(10 << 20);
  std::string received;
  TlsPeer peer(options_, [&](TlsPeer& self) {
    received = self.receive(sent.size());
    self.send(received);
    self.say_goodbye();
  });
  auto stream = connect(peer);
  ASSERT_TRUE(stream->write(sent, patience()));
  EXPECT_TRUE(read_exactly(*stream, sent.size()) == sent);
  char byte = 0;
  EXPECT_EQ(stream->read({&byte, 1}, patience()).value_or(99), 0u);
  EXPECT_EQ(stream->read({&byte, 1}, patience()).value_or(99), 0u);
}

TEST_F(TlsStreams, AnEndWithoutCloseNotifyIsALostConnection) {
  TlsPeer peer(options_, [](TlsPeer& self) {
    self.send("half");
    self.cut();
  });
  auto stream = connect(peer);
  EXPECT_EQ(read_exactly(*stream, 4), "half");
  EXPECT_TRUE(stream->wait_readable(patience()));
  char byte = 0;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto read = stream->read({&byte, 1}, patience());
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().errnum, ECONNRESET);
    EXPECT_EQ(read.error().scope, Scope::session);
  }
}

TEST_F(TlsStreams, WritingToAPeerThatIsGoneIsAnErrorAndNoSignal) {
  std::signal(SIGPIPE, SIG_DFL);
  TlsPeer peer(options_, [](TlsPeer& self) { self.cut(); });
  auto stream = connect(peer);
  const std::string text(1 << 20, 'x');
  const auto written = stream->write(text, patience());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().errnum, ECONNRESET);
}

TEST_F(TlsStreams, AStopFromAnotherThreadEndsAReadAtOnce) {
  TlsPeer peer(options_);
  auto stream = connect(peer);
  std::stop_source stop;
  auto reading = std::async(std::launch::async, [&] {
    char byte = 0;
    auto outcome = stream->read({&byte, 1}, {stop.get_token(), Deadline::max()});
    return std::pair(outcome ? 0 : outcome.error().errnum, SteadyClock::now());
  });
  ASSERT_EQ(reading.wait_for(50ms), std::future_status::timeout);  // it does wait
  const auto stopped = SteadyClock::now();
  stop.request_stop();
  const auto [errnum, ended] = reading.get();
  EXPECT_EQ(errnum, EINTR);
  EXPECT_LT(ended - stopped, 5s);
}

TEST_F(TlsStreams, AStopWhileWaitingLeavesTheStreamUsable) {
  std::promise<void> go;
  TlsPeer peer(options_, [&](TlsPeer& self) {
    go.get_future().wait();
    self.send("late");
    self.read_until_closed();
  });
  auto stream = connect(peer);
  std::stop_source stop;
  auto waiting = std::async(std::launch::async, [&] {
    return stream->wait_readable({stop.get_token(), Deadline::max()});
  });
  stop.request_stop();
  const auto waited = waiting.get();
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().errnum, EINTR);
  const auto timed = stream->wait_readable(CallContext::within(1ms));
  ASSERT_FALSE(timed);
  EXPECT_EQ(timed.error().errnum, ETIMEDOUT);
  go.set_value();
  EXPECT_TRUE(stream->wait_readable(patience()));
  EXPECT_EQ(read_exactly(*stream, 4), "late");
}

TEST_F(TlsStreams, WaitingSeesWhatIsDecryptedAlready) {
  TlsPeer peer(options_, [](TlsPeer& self) {
    self.send("abc");
    self.read_until_closed();
  });
  auto stream = connect(peer);
  EXPECT_EQ(read_exactly(*stream, 1), "a");
  EXPECT_TRUE(stream->wait_readable(CallContext::within(0s)));  // nothing is left in the socket
  EXPECT_EQ(read_exactly(*stream, 2), "bc");
}

TEST_F(TlsStreams, ADeadlineEndsAReadAndTheStream) {
  TlsPeer peer(options_);
  auto stream = connect(peer);
  char byte = 0;
  const auto read = stream->read({&byte, 1}, CallContext::within(5ms));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().errnum, ETIMEDOUT);
  EXPECT_EQ(read.error().scope, Scope::session);
  EXPECT_FALSE(stream->read({&byte, 1}, patience()));
}

TEST_F(TlsStreams, ADeadlineEndsAWriteThatThePeerDoesNotTake) {
  std::promise<void> ended;
  TlsPeer peer(options_, [&](TlsPeer&) { ended.get_future().wait(); });
  auto stream = connect(peer);
  const std::string text(16 << 20, 'x');
  const auto written = stream->write(text, CallContext::within(20ms));
  ended.set_value();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().errnum, ETIMEDOUT);
}

class TlsHandshake : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair_), 0); }
  void TearDown() override {
    if (pair_[1] >= 0) ::close(pair_[1]);
  }
  void say(const std::string& text) {
    ASSERT_EQ(::write(pair_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  Error outcome(const CallContext& context) {
    auto stream = start_tls(adopt_descriptor(pair_[0]), "mail.example.org", {}, context);
    return stream ? Error{0, Scope::request, Retry::never, "succeeded"} : stream.error();
  }
  int pair_[2] = {-1, -1};
};

TEST_F(TlsHandshake, AServerThatGreetsInPlainTextIsNamedAsSuch) {
  say("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n");
  const auto error = outcome(CallContext::within(20s));
  EXPECT_EQ(error.errnum, EPROTO);
  EXPECT_THAT(error.what, HasSubstr("mail.example.org does not speak TLS on this port; for STARTTLS use imap://"));
}

TEST_F(TlsHandshake, AServerThatHangsUpIsALostConnection) {
  ::shutdown(pair_[1], SHUT_WR);
  const auto error = outcome(CallContext::within(20s));
  EXPECT_EQ(error.errnum, ECONNRESET);
  EXPECT_THAT(error.what, HasSubstr("during the TLS handshake"));
}

TEST_F(TlsHandshake, AMuteServerEndsItAtTheDeadline) {
  const auto error = outcome(CallContext::within(10ms));
  EXPECT_EQ(error.errnum, ETIMEDOUT);
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_THAT(error.what, HasSubstr("TLS handshake with mail.example.org"));
}

TEST_F(TlsHandshake, GarbageAfterATlsLookingByteIsAnError) {
  say("\x16\x03\x03\x01\x01" + std::string(300, '\xff'));
  EXPECT_EQ(outcome(CallContext::within(20s)).errnum, EPROTO);
}

}  // namespace
}  // namespace imapfs::net
