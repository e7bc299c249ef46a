// Reading ahead across messages, from who opens what to the bodies in the cache, with a server that a test can hold,
// silence and cut.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>

#include <nlohmann/json.hpp>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/model/identity.hpp"
#include "imapfs/sync/imap_account.hpp"
#include "unit/sync/sync_test_support.hpp"

namespace imapfs::sync {
namespace {

using testing::FakeServer;

/// An account with INBOX listed, and a body cache on disk.
class PrefetcherTest : public ::testing::Test {
 protected:
  PrefetcherTest() {
    settings_.account = "anna@example.org";
    settings_.names = default_names();
    settings_.watch = false;
    settings_.timeout = test_patience;
  }
  ~PrefetcherTest() override { unmount(); }

  void fill(std::size_t messages, std::size_t size = 2000) {
    for (std::size_t i = 0; i < messages; ++i) server_.deliver("INBOX", body_of(i + 1, size));
  }
  static std::string body_of(std::size_t uid, std::size_t size) {
    auto body = mail(fmt::format("message-{}", uid));
    while (body.size() < size) body += fmt::format("{} ", uid * 31 + body.size());
    return body;
  }
  void mount() {
    store::MessageCache::Settings cache;
    cache.directory = with_cache_ ? directory_.path() : "";
    account_ = std::make_unique<ImapAccount>(settings_, server_.factory(), store::MetadataStore::none(),
                                             std::make_shared<store::MessageCache>(cache), nullptr, scheduler_,
                                             listener_);
    const auto context = CallContext::within(test_patience);
    ASSERT_TRUE(account_->start(server_.factory()(context).value(), context));
    inbox_ = account_->mailboxes().tree()->find_path("INBOX")->id;
    ASSERT_TRUE(await<void>([&](Completion<void> done) { account_->mailboxes().freshen(inbox_, std::move(done)); }));
    ASSERT_TRUE(listener_.wait([&] { return account_->mailboxes().table(inbox_)->complete(); }));
  }
  void unmount() {
    if (account_) account_->stop();
    account_.reset();
  }

  std::future<Result<std::string>> start_read(std::uint32_t uid) {
    auto promise = std::make_shared<std::promise<Result<std::string>>>();
    auto future = promise->get_future();
    account_->bodies().open(inbox_, Uid{uid}, [promise](Result<std::shared_ptr<Body>> body) {
      if (!body) return promise->set_value(fail(std::move(body).error()));
      (*body)->read(0, (*body)->length(), [promise, body = *body](Result<BodySlice> slice) {
        if (!slice) return promise->set_value(fail(std::move(slice).error()));
        std::string octets(slice->length, '\0');
        if (::pread(slice->descriptor, octets.data(), octets.size(), static_cast<off_t>(slice->offset)) !=
            static_cast<ssize_t>(octets.size()))
          octets = "short";
        promise->set_value(std::move(octets));
      });
    });
    return future;
  }
  static Result<std::string> finish(std::future<Result<std::string>> future) {
    if (future.wait_for(test_patience) != std::future_status::ready) return fail(ETIMEDOUT, "nobody was answered");
    return future.get();
  }
  Result<std::string> read(std::uint32_t uid) { return finish(start_read(uid)); }
  /// Reads messages in order and compares each octet.
  void read_in_order(std::uint32_t first, std::uint32_t last, std::size_t size = 2000) {
    for (auto uid = first; uid <= last; ++uid) {
      const auto octets = read(uid);
      ASSERT_TRUE(octets) << uid << ": " << octets.error().what;
      ASSERT_EQ(*octets, body_of(uid, size)) << uid;
    }
  }
  [[nodiscard]] bool idle() const {
    const auto status = account_->status();
    return std::all_of(status.at("connections").begin(), status.at("connections").end(), [](const auto& connection) {
      return connection.at("doing").is_null() || connection.at("doing") == "";
    });
  }
  [[nodiscard]] std::size_t asked_in_sets() const {
    std::size_t messages = 0;
    for (const auto& set : server_.body_sets()) messages += set.count();
    return messages;
  }

  TemporaryDirectory directory_;
  FakeServer server_;
  RecordingListener listener_;
  Scheduler scheduler_;
  SyncSettings settings_;
  bool with_cache_ = true;
  std::unique_ptr<ImapAccount> account_;
  MailboxId inbox_;
};

TEST_F(PrefetcherTest, InOrderCostsFewCommandsAndOneConnection) {
  fill(600);
  mount();
  const auto ahead = telemetry::counters().bodies_fetched_ahead.load();
  const auto sets = telemetry::counters().body_sets_fetched.load();
  // A single fetch finds its connection free, as it does where the server is further away than the disk.
  for (std::uint32_t uid = 1; uid <= 2; ++uid) {
    read_in_order(uid, uid);
    ASSERT_TRUE(listener_.wait([&] { return idle(); }));
  }
  const auto connections = server_.live_connections();
  server_.hold("FETCH bodies");
  auto third = start_read(3);
  ASSERT_TRUE(server_.wait_until_held("FETCH bodies"));
  EXPECT_EQ(server_.live_connections(), connections) << "the connection that is there is used";
  server_.release("FETCH bodies");
  EXPECT_TRUE(finish(std::move(third)));
  read_in_order(4, 600);
  EXPECT_EQ(server_.count("FETCH body"), 2U) << "the two before the reader was recognised";
  EXPECT_LE(server_.count("FETCH bodies"), 6U);
  EXPECT_EQ(asked_in_sets(), 598U) << "each once";
  EXPECT_EQ(telemetry::counters().bodies_fetched_ahead - ahead, 598U);
  EXPECT_EQ(telemetry::counters().body_sets_fetched - sets, server_.count("FETCH bodies"));
}

TEST_F(PrefetcherTest, WhatComesBehindBodiesOfALaterSetIsNotFetchedAgain) {
  server_.mix_body_sets();
  fill(600);
  mount();
  read_in_order(1, 600);
  EXPECT_EQ(server_.count("FETCH body"), 2U) << "the two before the reader was recognised";
  EXPECT_EQ(asked_in_sets(), 598U) << "each once";
}

TEST_F(PrefetcherTest, ASecondPassFetchesNothing) {
  fill(100);
  mount();
  read_in_order(1, 100);
  const auto commands = server_.count("FETCH body") + server_.count("FETCH bodies");
  read_in_order(1, 100);
  EXPECT_EQ(server_.count("FETCH body") + server_.count("FETCH bodies"), commands);
}

TEST_F(PrefetcherTest, AtRandomOnlyWhatIsReadIsFetched) {
  fill(200);
  mount();
  for (std::uint32_t i = 0; i < 60; ++i) read_in_order(1 + i * 83 % 200, 1 + i * 83 % 200);
  EXPECT_EQ(server_.count("FETCH body"), 60U);
  EXPECT_EQ(server_.count("FETCH bodies"), 0U);
}

TEST_F(PrefetcherTest, TheOrderOfInodesIsAnOrderToo) {
  // As cp -r opens files.
  fill(500);
  mount();
  const auto seed = message_inode_seed(settings_.account, "INBOX", account_->mailboxes().table(inbox_)->uid_validity());
  std::vector<std::uint32_t> uids(500);
  std::iota(uids.begin(), uids.end(), 1U);
  std::sort(uids.begin(), uids.end(), [&](std::uint32_t left, std::uint32_t right) {
    return message_inode(seed, Uid{left}) < message_inode(seed, Uid{right});
  });
  for (const auto uid : uids) read_in_order(uid, uid);
  EXPECT_LE(server_.count("FETCH body"), 120U) << "those before the order was known, and some that overtook";
  EXPECT_LE(server_.count("FETCH bodies"), 30U);
  EXPECT_GE(asked_in_sets(), 380U);
}

TEST_F(PrefetcherTest, WhoOpensAMessageOfASetWaitsForItThere) {
  fill(50);
  mount();
  read_in_order(1, 2);
  server_.hold("FETCH bodies row");
  auto third = start_read(3);
  ASSERT_TRUE(server_.wait_until_held("FETCH bodies row"));
  auto fifth = start_read(5);
  server_.step("FETCH bodies row", 3);
  EXPECT_EQ(*finish(std::move(third)), body_of(3, 2000));
  EXPECT_EQ(*finish(std::move(fifth)), body_of(5, 2000));
  EXPECT_EQ(server_.count("FETCH body"), 2U);
  server_.release("FETCH bodies row");
}

TEST_F(PrefetcherTest, AnOpenFarAheadOvertakesTheSet) {
  constexpr std::size_t size = 300'000;
  fill(30, size);
  mount();
  read_in_order(1, 2, size);
  server_.hold("FETCH bodies row");
  auto third = start_read(3);
  ASSERT_TRUE(server_.wait_until_held("FETCH bodies row"));
  EXPECT_EQ(*read(20), body_of(20, size)) << "by a command of its own, on another connection";
  EXPECT_EQ(server_.count("FETCH body"), 3U);
  server_.release("FETCH bodies row");
  EXPECT_EQ(*finish(std::move(third)), body_of(3, size));
  read_in_order(4, 30, size);
  EXPECT_EQ(server_.count("FETCH body"), 3U) << "the set goes on beside it";
}

TEST_F(PrefetcherTest, ASilentServerInMidSetKeepsNobodyWaiting) {
  settings_.timeout = std::chrono::milliseconds(300);
  fill(50);
  mount();
  read_in_order(1, 2);
  server_.hold("FETCH bodies row");
  EXPECT_EQ(*read(3), body_of(3, 2000)) << "fetched by itself, once the set was given up";
  server_.release("FETCH bodies row");
  read_in_order(4, 50);
}

TEST_F(PrefetcherTest, ALostConnectionInMidSetLosesNothing) {
  server_.set_chunk_bytes(1000);
  fill(100);
  mount();
  read_in_order(1, 2);
  server_.hold("FETCH body data");
  auto third = start_read(3);
  ASSERT_TRUE(server_.wait_until_held("FETCH body data"));
  auto fourth = start_read(4);
  server_.step("FETCH body data");
  ASSERT_TRUE(server_.wait_until_held("FETCH body data"));
  server_.drop_all_sessions();
  server_.release("FETCH body data");
  EXPECT_EQ(*finish(std::move(third)), body_of(3, 2000)) << "the one that was cut";
  EXPECT_EQ(*finish(std::move(fourth)), body_of(4, 2000));
  read_in_order(5, 100);
}

TEST_F(PrefetcherTest, MessagesThatAreGoneHoldNobodyUp) {
  fill(60);
  mount();
  read_in_order(1, 2);
  server_.hold("FETCH bodies");
  auto third = start_read(3);
  ASSERT_TRUE(server_.wait_until_held("FETCH bodies"));
  server_.expunge("INBOX", Uid{4});
  auto gone = start_read(4);
  server_.release("FETCH bodies");
  EXPECT_TRUE(finish(std::move(third)));
  const auto answer = finish(std::move(gone));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().errnum, ENOENT);
  read_in_order(5, 60);
}

TEST_F(PrefetcherTest, AnotherUidValidityIsStaleForWhoWaits) {
  fill(60);
  mount();
  read_in_order(1, 2);
  server_.hold("FETCH bodies");
  auto third = start_read(3);
  ASSERT_TRUE(server_.wait_until_held("FETCH bodies"));
  server_.change_uid_validity("INBOX", UidValidity{77'777});
  server_.release("FETCH bodies");
  const auto answer = finish(std::move(third));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().errnum, ESTALE);
}

TEST_F(PrefetcherTest, ClosingInMidSetAnswersWhoWaits) {
  fill(60);
  mount();
  read_in_order(1, 2);
  server_.hold("FETCH bodies row");
  auto third = start_read(3);
  ASSERT_TRUE(server_.wait_until_held("FETCH bodies row"));
  auto fourth = start_read(4);
  account_->stop();
  EXPECT_FALSE(finish(std::move(third)));
  EXPECT_FALSE(finish(std::move(fourth)));
}

TEST_F(PrefetcherTest, AServerWhoseSetsCannotBeUsedIsAskedForSingleBodies) {
  server_.fail_next("FETCH bodies", Error{EOPNOTSUPP, Scope::request, Retry::never, "names come behind bodies"});
  fill(60);
  mount();
  read_in_order(1, 60);
  EXPECT_EQ(server_.count("FETCH body"), 60U);
  EXPECT_EQ(server_.count("FETCH bodies"), 1U);
}

TEST_F(PrefetcherTest, WithoutACacheOnDiskThereIsNothingToFetchInto) {
  with_cache_ = false;
  fill(30);
  mount();
  read_in_order(1, 30);
  EXPECT_EQ(server_.count("FETCH body"), 30U);
  EXPECT_EQ(server_.count("FETCH bodies"), 0U);
}

TEST_F(PrefetcherTest, WithOneConnectionAnOpenElsewhereNeedNotWaitForTheEnd) {
  settings_.connections = 1;
  server_.create_mailbox("Other");
  constexpr std::size_t size = 100'000;
  fill(200, size);
  server_.deliver("Other", body_of(1, 500));
  mount();
  read_in_order(1, 2, size);
  server_.hold("FETCH bodies row");
  auto third = start_read(3);
  ASSERT_TRUE(server_.wait_until_held("FETCH bodies row"));
  const auto other = account_->mailboxes().tree()->find_path("Other")->id;
  std::promise<Result<std::shared_ptr<Body>>> opened;
  account_->bodies().open(other, Uid{1},
                          [&](Result<std::shared_ptr<Body>> body) { opened.set_value(std::move(body)); });
  server_.release("FETCH bodies row");
  auto future = opened.get_future();
  ASSERT_EQ(future.wait_for(test_patience), std::future_status::ready);
  EXPECT_TRUE(future.get());
  EXPECT_LE(asked_in_sets(), 60U) << "the sets gave way";
  EXPECT_TRUE(finish(std::move(third)));
}

}  // namespace
}  // namespace imapfs::sync
