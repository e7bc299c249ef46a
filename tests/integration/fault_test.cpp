// The stack below FUSE over a bad network to a real Dovecot: connections cut at every place, mute, refused, and slow.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <set>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/header_decode.hpp"
#include "imapfs/sync/imap_account.hpp"
#include "support/await.hpp"
#include "support/dovecot.hpp"
#include "support/fault_proxy.hpp"
#include "support/temporary_directory.hpp"

namespace imapfs::sync {
namespace {

using namespace std::chrono_literals;
using testing::await;
using testing::Dovecot;
using testing::FaultProxy;
using testing::sample_message;
using testing::TemporaryDirectory;

constexpr auto patience = 60s;

class NoListener : public ChangeListener {
 public:
  void on_mailbox_changed(const MailboxChange&) override {}
  void on_tree_changed(const TreeChange&) override {}
  void on_online(bool, const std::string&) override {}
  void on_change_refused(const std::string&, const std::string&, const Error&) override {}
};

/// An account behind the proxy, with an empty store and cache.
class Mount {
 public:
  Mount(const Dovecot& server, const FaultProxy& proxy, SteadyClock::duration timeout = 20s,
        SteadyClock::duration grace = 15s) {
    server_ = server.account_settings();
    server_.endpoint.port = proxy.port();
    settings_.account = "anna@localhost";
    settings_.names = mime::NameTemplate::parse(mime::NameTemplate::default_text).value();
    settings_.connections = 2;
    settings_.watch = false;
    settings_.refresh = 1h;
    settings_.timeout = timeout;
    settings_.reconnect_grace = grace;
  }
  ~Mount() { unmount(); }
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  Result<void> start() {
    unmount();
    const auto factory = [this](const CallContext& context) { return imap::open_session(server_, context); };
    store::MessageCache::Settings cache;
    cache.directory = directory_.path("bodies");
    account_ = std::make_unique<ImapAccount>(settings_, factory, store::MetadataStore::open(directory_.path()),
                                             std::make_shared<store::MessageCache>(cache), nullptr, scheduler_,
                                             listener_);
    const auto context = CallContext::within(patience);
    auto session = IMAPFS_TRY(factory(context));
    return account_->start(std::move(session), context);
  }
  void unmount() {
    if (account_) account_->stop();
    account_.reset();
  }

  [[nodiscard]] MailboxId id(const std::string& path) const {
    return account_->mailboxes().tree()->find_path(path)->id;
  }
  [[nodiscard]] std::shared_ptr<const MessageTable> table(const std::string& path) const {
    return account_->mailboxes().table(id(path));
  }

  /// A listing as readdir does it.
  Result<void> list(const std::string& path) {
    auto result = await<void>([&](Completion<void> done) { account_->mailboxes().freshen(id(path), std::move(done)); },
                              patience);
    Uid last;
    while (result && !table(path)->complete()) {
      table(path)->visit_after(last, 100'000, [&](const auto& row) {
        last = row.uid;
        return true;
      });
      result = await<void>(
          [&](Completion<void> done) { account_->mailboxes().await_rows(id(path), last, std::move(done)); }, patience);
    }
    return result;
  }
  Result<std::string> read(const std::string& path, Uid uid) {
    const auto body = IMAPFS_TRY(await<std::shared_ptr<Body>>(
        [&](Completion<std::shared_ptr<Body>> done) { account_->bodies().open(id(path), uid, std::move(done)); },
        patience));
    std::string text;
    while (text.size() < body->length()) {
      const auto slice = IMAPFS_TRY(await<BodySlice>(
          [&](Completion<BodySlice> done) { body->read(text.size(), 128 * 1024, std::move(done)); }, patience));
      if (slice.length == 0) return fail(EIO, "the body ends early");
      const auto before = text.size();
      text.resize(before + slice.length);
      const auto got = ::pread(slice.descriptor, text.data() + before, slice.length, static_cast<off_t>(slice.offset));
      if (got != static_cast<ssize_t>(slice.length)) return fail(EIO, "the body's file is too short");
    }
    return text;
  }
  [[nodiscard]] std::vector<Uid> uids(const std::string& path) const {
    std::vector<Uid> all;
    table(path)->visit_after(Uid{}, 1'000'000, [&](const auto& row) {
      all.push_back(row.uid);
      return true;
    });
    return all;
  }

 private:
  TemporaryDirectory directory_{testing::on_disk()};
  NoListener listener_;
  Scheduler scheduler_;
  imap::AccountSettings server_;
  SyncSettings settings_;
  std::unique_ptr<ImapAccount> account_;
};

class OverABadNetwork : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    mime::initialise_mime();
    telemetry::LogSettings log;
    log.level = telemetry::Level::error;
    ASSERT_TRUE(telemetry::configure(log));
    server_ = new Dovecot();
    for (int number = 1; number <= 3; ++number)
      deliver("Sent", std::string(static_cast<std::size_t>(number) * 300, 'x'));
    server_->deliver_many("Trash", 300);
    deliver("Drafts", std::string(200'000, 'm'));
    std::string large;  // without repetition, so that a piece in the wrong place is seen
    for (int line = 0; large.size() < (3U << 20); ++line) large += "line " + std::to_string(line) + "\r\n";
    deliver("Drafts", large);
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
    ASSERT_TRUE(telemetry::configure({}));
  }
  static void deliver(const std::string& mailbox, const std::string& text) {
    auto& messages = messages_[mailbox];
    messages.push_back(
        sample_message("message " + std::to_string(messages.size()), "Bob <bob@example.org>", text + "\r\n"));
    server_->deliver(mailbox, messages.back());
  }

  /// Mounts, lists a mailbox and reads all of it. The mount itself may be tried again; what follows must succeed at
  /// once.
  static void use_mailbox(Mount& mount, const std::string& mailbox) {
    auto started = mount.start();
    for (int attempt = 0; !started && attempt < 2; ++attempt) {
      EXPECT_EQ(started.error().retry, Retry::now) << started.error().what;
      started = mount.start();
    }
    ASSERT_TRUE(started) << started.error().what;
    const auto listed = mount.list(mailbox);
    ASSERT_TRUE(listed) << listed.error().what;
    EXPECT_TRUE(mount.table(mailbox)->complete());
    const auto& expected = messages_[mailbox];
    ASSERT_EQ(mount.table(mailbox)->size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const auto text = mount.read(mailbox, Uid{static_cast<std::uint32_t>(i + 1)});
      ASSERT_TRUE(text) << text.error().what;
      EXPECT_TRUE(*text == expected[i]) << "message " << i + 1 << " has " << text->size() << " octets";
    }
  }

  static Dovecot* server_;
  static std::map<std::string, std::vector<std::string>> messages_;
};
Dovecot* OverABadNetwork::server_ = nullptr;
std::map<std::string, std::vector<std::string>> OverABadNetwork::messages_;

/// Before, at and behind every boundary, and every `stride` bytes.
std::set<std::uint64_t> places_to_cut(const FaultProxy& proxy, std::uint64_t stride) {
  std::set<std::uint64_t> places;
  const auto total = proxy.counters().bytes_from_server;
  for (std::uint64_t place = 1; place < total; place += stride) places.insert(place);
  for (const auto boundary : proxy.boundaries()) {
    for (const auto place : {boundary - 1, boundary, boundary + 1}) places.insert(place);
  }
  return places;
}

TEST_F(OverABadNetwork, AConnectionCutAnywhereInAShortDialogueCostsNothingButTime) {
  FaultProxy whole(server_->imaps_port());
  Mount untroubled(*server_, whole);
  use_mailbox(untroubled, "Sent");
  std::uint64_t cuts = 0;
  const auto places = places_to_cut(whole, 59);
  for (const auto place : places) {
    SCOPED_TRACE("cut after " + std::to_string(place) + " bytes");
    FaultProxy proxy(server_->imaps_port());
    proxy.cut_after(place);
    Mount mount(*server_, proxy);
    use_mailbox(mount, "Sent");
    if (HasFatalFailure()) return;
    cuts += proxy.counters().cuts;
  }
  // What the server says varies a little in length (handshake, compression), so the last places may lie behind the end.
  EXPECT_GE(cuts, places.size() * 4 / 5);
}

TEST_F(OverABadNetwork, AConnectionCutInLargeBodiesIsTakenUpWhereItBroke) {
  FaultProxy whole(server_->imaps_port());
  {
    Mount mount(*server_, whole);
    use_mailbox(mount, "Drafts");
  }
  const auto total = whole.counters().bytes_from_server;
  for (std::uint64_t part = 1; part < 16; ++part) {
    SCOPED_TRACE("cut after " + std::to_string(total * part / 16) + " of " + std::to_string(total) + " bytes");
    FaultProxy proxy(server_->imaps_port());
    proxy.cut_after(total * part / 16);
    Mount mount(*server_, proxy);
    use_mailbox(mount, "Drafts");
    if (HasFatalFailure()) return;
    EXPECT_EQ(proxy.counters().cuts, 1u);
  }
}

TEST_F(OverABadNetwork, AConnectionCutDuringAListingOfThreeHundredLeavesACompleteTable) {
  FaultProxy whole(server_->imaps_port());
  std::uint64_t mounted = 0;
  {
    Mount mount(*server_, whole);
    ASSERT_TRUE(mount.start());
    mounted = whole.counters().bytes_from_server;
    ASSERT_TRUE(mount.list("Trash"));
  }
  const auto total = whole.counters().bytes_from_server;
  ASSERT_GT(total, mounted);
  for (std::uint64_t part = 1; part < 12; ++part) {
    SCOPED_TRACE("part " + std::to_string(part));
    FaultProxy proxy(server_->imaps_port());
    Mount mount(*server_, proxy);
    ASSERT_TRUE(mount.start());
    proxy.cut_after((total - mounted) * part / 12);
    const auto listed = mount.list("Trash");
    ASSERT_TRUE(listed) << listed.error().what;
    EXPECT_EQ(mount.uids("Trash").size(), 300u);
    EXPECT_EQ(proxy.counters().cuts, 1u);
  }
}

TEST_F(OverABadNetwork, InABlackHoleOperationsEndAtTheirDeadlineAndLaterWorkAgain) {
  FaultProxy proxy(server_->imaps_port());
  Mount mount(*server_, proxy, 2s);
  ASSERT_TRUE(mount.start());
  ASSERT_TRUE(mount.list("Sent"));
  ASSERT_TRUE(mount.read("Sent", Uid{1}));
  proxy.set_black_hole(true);
  const auto began = SteadyClock::now();
  const auto lost = mount.read("Sent", Uid{2});
  ASSERT_FALSE(lost);
  EXPECT_TRUE(lost.error().errnum == ETIMEDOUT || lost.error().errnum == EHOSTUNREACH) << lost.error().what;
  EXPECT_LT(SteadyClock::now() - began, 6s);
  const auto unlisted = mount.list("Drafts");
  ASSERT_FALSE(unlisted);
  EXPECT_TRUE(unlisted.error().errnum == ETIMEDOUT || unlisted.error().errnum == EHOSTUNREACH) << unlisted.error().what;
  EXPECT_EQ(mount.read("Sent", Uid{1}).value_or(""), messages_["Sent"][0]) << "what is cached is served";
  EXPECT_TRUE(mount.list("Sent")) << "what is cached is served";
  proxy.set_black_hole(false);
  EXPECT_TRUE(testing::eventually([&] { return mount.read("Sent", Uid{2}).value_or("") == messages_["Sent"][1]; }));
  EXPECT_TRUE(testing::eventually([&] { return mount.list("Drafts").has_value(); }));
}

TEST_F(OverABadNetwork, WithoutAServerOperationsFailAfterTheGraceAndLaterWorkAgain) {
  FaultProxy proxy(server_->imaps_port());
  Mount mount(*server_, proxy, 20s, 1s);
  ASSERT_TRUE(mount.start());
  ASSERT_TRUE(mount.list("Sent"));
  proxy.set_refusing(true);
  proxy.drop_connections();
  const auto began = SteadyClock::now();
  const auto lost = mount.read("Sent", Uid{1});
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().errnum, EHOSTUNREACH) << lost.error().what;
  EXPECT_LT(SteadyClock::now() - began, 10s);
  EXPECT_TRUE(mount.list("Sent")) << "what is cached is served";
  proxy.set_refusing(false);
  EXPECT_TRUE(testing::eventually([&] { return mount.read("Sent", Uid{1}).value_or("") == messages_["Sent"][0]; }));
}

TEST_F(OverABadNetwork, AnOutageShorterThanTheGraceIsWaitedFor) {
  FaultProxy proxy(server_->imaps_port());
  Mount mount(*server_, proxy);
  ASSERT_TRUE(mount.start());
  ASSERT_TRUE(mount.list("Sent"));
  proxy.set_refusing(true);
  proxy.drop_connections();
  auto text = std::async(std::launch::async, [&] { return mount.read("Sent", Uid{1}); });
  auto listed = std::async(std::launch::async, [&] { return mount.list("Drafts"); });
  EXPECT_EQ(text.wait_for(1500ms), std::future_status::timeout) << "attempts fail meanwhile";
  proxy.set_refusing(false);
  EXPECT_EQ(text.get().value_or(""), messages_["Sent"][0]);
  EXPECT_TRUE(listed.get());
}

TEST_F(OverABadNetwork, SilentlyDeadConnectionsCostSecondsNotADeadline) {
  FaultProxy proxy(server_->imaps_port());
  Mount mount(*server_, proxy, 60s);
  ASSERT_TRUE(mount.start());
  ASSERT_TRUE(mount.list("Sent"));
  ASSERT_TRUE(mount.read("Sent", Uid{1}));
  for (std::uint32_t uid = 2; uid <= 3; ++uid) {
    proxy.silence_connections();
    const auto began = SteadyClock::now();
    EXPECT_EQ(mount.read("Sent", Uid{uid}).value_or(""), messages_["Sent"][uid - 1]);
    EXPECT_LT(SteadyClock::now() - began, 20s);
  }
  proxy.silence_connections();
  const auto began = SteadyClock::now();
  EXPECT_TRUE(mount.list("Drafts")) << "a first listing";
  EXPECT_LT(SteadyClock::now() - began, 20s);
}

TEST_F(OverABadNetwork, AListingCostsTheSameFewRoundTripsWhateverItsLength) {
  FaultProxy proxy(server_->imaps_port());
  proxy.set_round_trip(50ms);
  Mount mount(*server_, proxy);
  const auto& commands = telemetry::counters().imap_commands;
  auto before = commands.load();
  ASSERT_TRUE(mount.start());
  EXPECT_LE(commands.load() - before, 8u) << "to mount";

  before = commands.load();
  auto began = SteadyClock::now();
  ASSERT_TRUE(mount.list("Trash"));
  EXPECT_EQ(mount.table("Trash")->size(), 300u);
  EXPECT_LE(commands.load() - before, 2u) << "EXAMINE and UID FETCH";
  EXPECT_LT(SteadyClock::now() - began, 3s);

  before = commands.load();
  ASSERT_TRUE(mount.list("Trash"));
  EXPECT_EQ(commands.load(), before) << "a listing again is served from memory";
  ASSERT_TRUE(mount.read("Trash", Uid{7}));
  EXPECT_EQ(commands.load() - before, 1u) << "a message is one UID FETCH";

  mount.unmount();
  ASSERT_TRUE(mount.start());
  before = commands.load();
  ASSERT_TRUE(mount.list("Trash"));
  EXPECT_LE(commands.load() - before, 1u) << "after a remount, one SELECT with QRESYNC";
}

TEST_F(OverABadNetwork, ANarrowLinkDeliversEverythingInTime) {
  FaultProxy proxy(server_->imaps_port());
  proxy.set_link({10ms, 64 << 10}, {10ms, 1 << 20});
  Mount mount(*server_, proxy);
  use_mailbox(mount, "Drafts");
}

}  // namespace
}  // namespace imapfs::sync
