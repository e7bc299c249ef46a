#include "sync/bodies/body_fetcher.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <mutex>

#include "support/await.hpp"
#include "support/fake_server.hpp"
#include "support/temporary_directory.hpp"

namespace imapfs::sync {
namespace {

using testing::Awaited;

constexpr auto patience = std::chrono::seconds(10);
constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;

/// Different at every offset, so that misplaced octets are seen.
std::string make_body(std::size_t size) {
  std::string body(size, '\0');
  std::uint32_t state = 12345;
  for (auto& octet : body) {
    state = state * 1664525 + 1013904223;
    octet = static_cast<char>(state >> 24);
  }
  return body;
}

std::string bytes_of(const BodySlice& slice) {
  std::string bytes(slice.length, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto got = ::pread(slice.descriptor, bytes.data() + done, bytes.size() - done,
                             static_cast<off_t>(slice.offset + done));
    if (got <= 0) return "short";
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

class BodyFetcherTest : public ::testing::Test {
 protected:
  BodyFetcherTest() {
    use_cache({directory_.path()});
    pool_ = std::make_unique<imap::SessionPool>(imap::SessionPool::Settings{}, server_.factory(), nullptr);
    fetcher_ = std::make_unique<BodyFetcher>(
        BodyFetcher::Settings{}, [this](imap::PoolJob job) { submit(std::move(job)); }, cache_,
        [this](MailboxId mailbox, Uid uid, std::uint64_t size) {
          const std::lock_guard guard(mutex_);
          EXPECT_EQ(mailbox, MailboxId{5});
          exact_sizes_.emplace_back(uid.value, size);
        });
  }
  ~BodyFetcherTest() override {
    fetcher_.reset();
    pool_.reset();
    cache_.reset();
  }

  void use_cache(store::MessageCache::Settings settings) {
    cache_ = std::make_shared<store::MessageCache>(std::move(settings));
  }
  void use_memory_only(std::uint64_t limit = 256 * mib) {
    store::MessageCache::Settings settings;
    settings.memory_limit = limit;
    use_cache(settings);
    fetcher_ = std::make_unique<BodyFetcher>(
        BodyFetcher::Settings{}, [this](imap::PoolJob job) { submit(std::move(job)); }, cache_, nullptr);
  }

  std::string deliver(std::size_t size) {
    auto body = make_body(size);
    uid_ = server_.deliver("INBOX", body);
    return body;
  }
  [[nodiscard]] BodyFetcher::Request request() {
    BodyFetcher::Request request;
    request.mailbox = MailboxId{5};
    request.wire_name = "INBOX";
    server_.edit_mailbox("INBOX", [&](const auto& mailbox) {
      request.key = {"INBOX", mailbox.uid_validity, uid_};
      const auto found = mailbox.messages.find(uid_);
      if (found != mailbox.messages.end()) request.size = found->second.reported_size;
    });
    return request;
  }
  Awaited<std::shared_ptr<Body>> start_open(const BodyFetcher::Request& wanted) {
    Awaited<std::shared_ptr<Body>> opened;
    fetcher_->open_at(wanted, {}, opened.completion());
    return opened;
  }
  Awaited<std::shared_ptr<Body>> start_open() { return start_open(request()); }
  /// Opened for its first octets, which have come; the server still looks for the end.
  std::shared_ptr<Body> open_early(const BodyFetcher::Request& wanted) {
    server_.hold("FETCH tail");
    Awaited<std::shared_ptr<Body>> opened;
    fetcher_->open_at(wanted, {0, 4096}, opened.completion());
    auto body = opened.get();
    EXPECT_TRUE(server_.wait_until_held("FETCH tail"));
    return body ? *body : nullptr;
  }
  std::shared_ptr<Body> open_early() { return open_early(request()); }
  /// One that asks for parts of messages above 100,000 octets.
  void use_small_limit() {
    BodyFetcher::Settings settings;
    settings.whole_fetch_limit = 100000;
    fetcher_ = std::make_unique<BodyFetcher>(
        settings, [this](imap::PoolJob job) { submit(std::move(job)); }, cache_, nullptr);
  }
  std::shared_ptr<Body> open() {
    auto body = start_open().get();
    if (!body) {
      ADD_FAILURE() << body.error().what;
      return nullptr;
    }
    return *body;
  }
  static Awaited<BodySlice> start_read(Body& body, std::uint64_t offset, std::size_t length) {
    Awaited<BodySlice> slice;
    body.read(offset, length, slice.completion());
    return slice;
  }
  static std::string read(Body& body, std::uint64_t offset, std::size_t length) {
    const auto slice = start_read(body, offset, length).get();
    if (!slice) return "failed: " + slice.error().what;
    EXPECT_EQ(slice->offset, std::min(offset, body.length()));
    return bytes_of(*slice);
  }
  /// As the kernel reads for cat: 128 KiB at a time.
  static std::string read_all(Body& body) {
    std::string all;
    while (all.size() < body.length()) {
      auto piece = read(body, all.size(), 128 * kib);
      if (piece.empty()) break;
      all += piece;
    }
    return all;
  }
  [[nodiscard]] bool in_cache() { return cache_->contains(request().key); }
  std::vector<std::pair<std::uint32_t, std::uint64_t>> exact_sizes() {
    const std::lock_guard guard(mutex_);
    return exact_sizes_;
  }
  /// Commands that were sent for bodies.
  [[nodiscard]] std::size_t fetches() const {
    return server_.count("FETCH body") + server_.count("FETCH head and tail");
  }
  /// Waits until no job is under way and none holds on to its transfer.
  void drain() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(settled_.wait_for(lock, patience, [&] { return jobs_ == 0; }));
  }

  /// Gives `job` to the pool and counts it until it has been done with.
  void submit(imap::PoolJob job) {
    {
      const std::lock_guard guard(mutex_);
      ++jobs_;
    }
    const auto inner = std::make_shared<imap::PoolJob>(std::move(job));
    imap::PoolJob counted;
    counted.mailbox = inner->mailbox;
    counted.priority = inner->priority;
    counted.context = inner->context;
    counted.what = inner->what;
    counted.run = [inner](imap::Session& session, const CallContext& context) { return inner->run(session, context); };
    counted.done = [this, inner](Result<void> result) {
      inner->done(std::move(result));
      inner->run = nullptr;
      inner->done = nullptr;
      const std::lock_guard guard(mutex_);
      --jobs_;
      settled_.notify_all();
    };
    pool_->submit(std::move(counted));
  }

  testing::FakeServer server_;
  testing::TemporaryDirectory directory_;
  std::shared_ptr<store::MessageCache> cache_;
  std::unique_ptr<imap::SessionPool> pool_;
  std::unique_ptr<BodyFetcher> fetcher_;
  Uid uid_;
  std::mutex mutex_;
  std::condition_variable settled_;
  std::size_t jobs_ = 0;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> exact_sizes_;
};

using Sizes = std::vector<std::pair<std::uint32_t, std::uint64_t>>;

TEST_F(BodyFetcherTest, ASmallMessageIsFetchedOnceForEver) {
  const auto expected = deliver(40000);
  {
    const auto body = open();
    EXPECT_EQ(body->length(), 40000U);
    EXPECT_EQ(read_all(*body), expected);
    drain();
    EXPECT_TRUE(body->whole());
  }
  EXPECT_TRUE(in_cache());
  auto again = start_open();
  EXPECT_TRUE(again.ready()) << "a cached body opens within the call";
  const auto cached = *again.get();
  EXPECT_TRUE(cached->whole());
  EXPECT_EQ(read_all(*cached), expected);
  EXPECT_EQ(fetches(), 1U);
  EXPECT_TRUE(exact_sizes().empty()) << "the size was right";
}

TEST_F(BodyFetcherTest, AnEmptyMessageIsAnEmptyFile) {
  deliver(0);
  const auto body = open();
  EXPECT_EQ(body->length(), 0U);
  EXPECT_EQ(read(*body, 0, 4096), "");
  drain();
  EXPECT_TRUE(in_cache());
}

TEST_F(BodyFetcherTest, ReadsEndAtTheEndOfTheMessage) {
  const auto expected = deliver(1000);
  const auto body = open();
  EXPECT_EQ(read(*body, 900, 4096), expected.substr(900));
  EXPECT_EQ(read(*body, 1000, 4096), "");
  EXPECT_EQ(read(*body, 1ULL << 62, SIZE_MAX), "");
}

TEST_F(BodyFetcherTest, ManyOpensAreOneFetch) {
  const auto expected = deliver(100000);
  server_.hold("FETCH body");
  auto first = start_open();
  ASSERT_TRUE(server_.wait_until_held("FETCH body"));
  auto second = start_open();
  EXPECT_EQ(fetcher_->downloads(), 1U);
  EXPECT_FALSE(second.ready());
  server_.release("FETCH body");
  EXPECT_EQ(read_all(**first.get()), expected);
  EXPECT_EQ(read_all(**second.get()), expected);
  EXPECT_EQ(fetches(), 1U);
}

TEST_F(BodyFetcherTest, ReadersAreServedWhileTheBodyArrives) {
  server_.set_chunk_bytes(10000);
  const auto expected = deliver(50000);
  server_.hold("FETCH body data");
  const auto body = open();
  EXPECT_EQ(body->length(), 50000U) << "known before the first octet";
  EXPECT_FALSE(body->whole());
  auto early = start_read(*body, 0, 10000);
  auto late = start_read(*body, 35000, 10000);
  EXPECT_FALSE(early.ready());
  server_.step("FETCH body data");
  EXPECT_EQ(bytes_of(*early.get()), expected.substr(0, 10000));
  EXPECT_FALSE(late.ready());
  auto joined = start_open();
  EXPECT_TRUE(joined.ready()) << "joins while data is arriving";
  EXPECT_EQ(read(**joined.get(), 5000, 5000), expected.substr(5000, 5000));
  server_.release("FETCH body data");
  EXPECT_EQ(bytes_of(*late.get()), expected.substr(35000, 10000));
  EXPECT_EQ(read_all(*body), expected);
  EXPECT_EQ(fetches(), 1U);
}

TEST_F(BodyFetcherTest, ASmallMessagesSizeIsCorrectedBeforeItOpens) {
  for (const int lie : {-700, 900, -1000}) {
    const auto expected = deliver(1000);
    server_.lie_about_size("INBOX", uid_, lie);
    const auto before = exact_sizes().size();
    Awaited<std::size_t> told_when_opened;
    Awaited<std::shared_ptr<Body>> opened;
    fetcher_->open_at(request(), {}, [&, done = opened.completion(), told = told_when_opened.completion()](auto body) {
      told(exact_sizes().size());
      done(std::move(body));
    });
    const auto body = *opened.get();
    EXPECT_EQ(*told_when_opened.get(), before + 1);
    EXPECT_EQ(exact_sizes().back(), std::pair(uid_.value, std::uint64_t{1000}));
    EXPECT_EQ(body->length(), 1000U);
    EXPECT_EQ(read_all(*body), expected);
  }
}

TEST_F(BodyFetcherTest, ALiteralThatLiesIsEIOAndCorrectsAndKeepsNothing) {
  deliver(1000);
  server_.lie_about_literal(uid_, 900);
  const auto opened = start_open().get();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().errnum, EIO);
  drain();
  EXPECT_EQ(exact_sizes(), Sizes{});
  EXPECT_FALSE(in_cache());
  EXPECT_EQ(fetches(), 1U) << "the server would lie again";
}

TEST_F(BodyFetcherTest, ALiteralThatLiesAsTheSizeDoesNeverShowItsEnd) {
  deliver(1000);
  server_.lie_about_size("INBOX", uid_, -100);
  server_.lie_about_literal(uid_, 900);
  const auto opened = start_open().get();
  if (opened) {
    const auto end = start_read(**opened, 0, 900).get();
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().errnum, EIO);
  }
  drain();
  EXPECT_FALSE(in_cache());
}

TEST_F(BodyFetcherTest, TheHeadOfALargeMessageCostsOneRoundTrip) {
  const auto expected = deliver(20 * mib);
  const auto body = open();
  EXPECT_EQ(body->length(), 20 * mib);
  EXPECT_EQ(read(*body, 0, 4096), expected.substr(0, 4096));
  EXPECT_EQ(read(*body, 4096, 100000), expected.substr(4096, 100000));
  drain();
  EXPECT_EQ(fetches(), 1U);
  EXPECT_LE(server_.body_bytes(), 1 * mib);
  EXPECT_EQ(exact_sizes(), (Sizes{{uid_.value, 20 * mib}})) << "measured: the next one needs no probe";
}

TEST_F(BodyFetcherTest, WhoReadsTheBeginningDoesNotWaitForTheProofOfTheLength) {
  const auto expected = deliver(3 * mib);
  const auto body = open_early();
  ASSERT_TRUE(body);
  EXPECT_FALSE(body->length_is_proved());
  EXPECT_EQ(body->length(), 3 * mib) << "as told";
  EXPECT_FALSE(body->whole());
  EXPECT_EQ(read(*body, 0, 4096), expected.substr(0, 4096));
  EXPECT_TRUE(read(*body, 4096, 200 * kib) == expected.substr(4096, 200 * kib));
  const auto end = start_read(*body, 3 * mib - 1000, 4096);
  const auto beyond = start_read(*body, 4 * mib, 4096);
  const auto exact = start_open();
  Awaited<std::shared_ptr<Body>> joined;
  fetcher_->open_at(request(), {4096, 4096}, joined.completion());
  EXPECT_TRUE(joined.ready()) << "the octets are there";
  EXPECT_FALSE(exact.ready());
  EXPECT_FALSE(end.ready());
  EXPECT_FALSE(beyond.ready());
  EXPECT_TRUE(exact_sizes().empty());
  server_.release("FETCH tail");
  EXPECT_TRUE((*exact.get())->length_is_proved());
  EXPECT_TRUE(body->length_is_proved());
  EXPECT_EQ(bytes_of(*end.get()), expected.substr(3 * mib - 1000));
  EXPECT_EQ(beyond.get()->length, 0U);
  EXPECT_TRUE(read_all(*body) == expected);
  EXPECT_EQ(server_.count("FETCH head and tail"), 1U);
}

TEST_F(BodyFetcherTest, WhatTouchesTheToldEndIsNotReadBeforeTheLengthIsProved) {
  use_small_limit();
  const auto expected = deliver(200 * kib + 1000);
  server_.lie_about_size("INBOX", uid_, -1000);
  const auto body = open_early();
  ASSERT_TRUE(body);
  EXPECT_EQ(body->length(), 200 * kib);
  EXPECT_TRUE(read(*body, 0, 200 * kib - 1) == expected.substr(0, 200 * kib - 1));
  const auto last = start_read(*body, 196 * kib, 4 * kib);
  const auto beyond = start_read(*body, 196 * kib, 8 * kib);
  EXPECT_FALSE(last.ready());
  EXPECT_FALSE(beyond.ready());
  server_.release("FETCH tail");
  EXPECT_EQ(bytes_of(*last.get()), expected.substr(196 * kib, 4 * kib));
  EXPECT_EQ(bytes_of(*beyond.get()), expected.substr(196 * kib));
  EXPECT_EQ(body->length(), expected.size());
}

TEST_F(BodyFetcherTest, AnEarlyReaderOfAMessageThatIsShorterThanToldGetsItsEnd) {
  const auto expected = deliver(2 * mib);
  server_.lie_about_size("INBOX", uid_, 2 * mib);
  const auto body = open_early();
  ASSERT_TRUE(body);
  EXPECT_EQ(body->length(), 4 * mib);
  const auto across = start_read(*body, 2 * mib - 1000, 4096);
  const auto beyond = start_read(*body, 3 * mib, 4096);
  server_.release("FETCH tail");
  EXPECT_EQ(bytes_of(*across.get()), expected.substr(2 * mib - 1000)) << "nothing is padded";
  EXPECT_EQ(beyond.get()->length, 0U);
  EXPECT_EQ(body->length(), 2 * mib);
  EXPECT_EQ(exact_sizes(), (Sizes{{uid_.value, 2 * mib}}));
  EXPECT_TRUE(read_all(*body) == expected);
}

TEST_F(BodyFetcherTest, AMessageThatLosesOctetsAReaderHasGotIsBroken) {
  deliver(2 * mib);
  server_.lie_about_size("INBOX", uid_, 2 * mib);
  const auto body = open_early();
  ASSERT_TRUE(body);
  EXPECT_EQ(read(*body, 0, 200 * kib).size(), 200 * kib);
  const auto rest = start_read(*body, 200 * kib, 1 * mib);
  server_.edit_mailbox("INBOX", [&](auto& mailbox) {
    mailbox.messages.at(uid_).body = std::make_shared<const std::string>(make_body(1000));
  });
  server_.release("FETCH tail");
  EXPECT_EQ(rest.get().error().errnum, EIO);
  drain();
  EXPECT_FALSE(in_cache());
  EXPECT_EQ(start_read(*body, 1 * mib, 10).get().error().errnum, EIO);
}

TEST_F(BodyFetcherTest, AConnectionLostAfterAnEarlyReadIsMadeUpFor) {
  const auto expected = deliver(3 * mib);
  const auto body = open_early();
  ASSERT_TRUE(body);
  const auto later = start_read(*body, 1 * mib, 4096);
  server_.drop_all_sessions();
  server_.release("FETCH tail");
  EXPECT_EQ(bytes_of(*later.get()), expected.substr(1 * mib, 4096));
  EXPECT_TRUE(read_all(*body) == expected);
}

TEST_F(BodyFetcherTest, AReadAfterAProofThatFailedTriesAgain) {
  const auto expected = deliver(3 * mib);
  const auto body = open_early();
  ASSERT_TRUE(body);
  const auto later = start_read(*body, 1 * mib, 4096);
  server_.fail_next("FETCH head and tail", Error{EAGAIN, Scope::request, Retry::later, "[LIMIT] busy"});
  server_.drop_all_sessions();
  server_.release("FETCH tail");
  EXPECT_EQ(later.get().error().errnum, EAGAIN);
  drain();
  EXPECT_EQ(read(*body, 0, 4096), expected.substr(0, 4096)) << "what has come is there";
  EXPECT_EQ(read(*body, 1 * mib, 4096), expected.substr(1 * mib, 4096));
  EXPECT_TRUE(body->length_is_proved());
}

TEST_F(BodyFetcherTest, TheLengthIsLearntThoughTheEarlyReaderHasGone) {
  deliver(3 * mib);
  auto body = open_early();
  body.reset();
  server_.release("FETCH tail");
  drain();
  EXPECT_EQ(exact_sizes(), (Sizes{{uid_.value, 3 * mib}}));
  EXPECT_LE(server_.body_bytes(), 1 * mib);
  EXPECT_EQ(server_.live_connections(), 1U);
  EXPECT_EQ(fetcher_->downloads(), 0U);
}

TEST_F(BodyFetcherTest, ALargeMessageThatIsReadToTheEndIsCachedByteForByte) {
  const auto expected = deliver(9 * mib + 12345);
  {
    const auto body = open();
    EXPECT_TRUE(read_all(*body) == expected);
    drain();
    EXPECT_TRUE(body->whole());
  }
  EXPECT_TRUE(in_cache());
  EXPECT_TRUE(read_all(*open()) == expected);
  // The octet of the probe lies within the last range.
  EXPECT_LE(server_.body_bytes(), expected.size() + 1);
}

TEST_F(BodyFetcherTest, SequentialReadersGetRangesThatGrow) {
  const auto expected = deliver(40 * mib);
  const auto body = open();
  EXPECT_TRUE(read_all(*body) == expected);
  drain();
  std::uint64_t last = 0;
  std::uint64_t largest = 0;
  for (const auto& fetched : server_.bodies_fetched()) {
    ASSERT_TRUE(fetched.range);
    if (fetched.range->offset == 0 || fetched.range->offset == 40 * mib - 1) continue;
    const bool is_end = fetched.range->offset + fetched.range->length + 1 == 40 * mib;
    EXPECT_TRUE(is_end || fetched.range->length >= last);
    last = fetched.range->length;
    largest = std::max(largest, last);
  }
  EXPECT_EQ(largest, 8 * mib);
  EXPECT_LT(fetches(), 20U);
}

TEST_F(BodyFetcherTest, TwoRangesAreFetchedAhead) {
  deliver(20 * mib);
  const auto body = open();
  read(*body, 0, 128 * kib);
  drain();
  EXPECT_EQ(fetches(), 1U);
  read(*body, 128 * kib, 128 * kib);
  ASSERT_TRUE(server_.wait_for_count("FETCH body", 1)) << "nobody has asked for these octets yet";
  drain();
  const auto fetched = server_.bodies_fetched();
  ASSERT_EQ(fetched.size(), 4U) << "head, tail, and one range while the other comes";
  for (const std::uint64_t number : {2, 3}) {
    EXPECT_EQ(fetched[number].range->offset, (number - 1) * 256 * kib);
    EXPECT_EQ(fetched[number].range->length, 256 * kib);
  }
  auto ahead = start_read(*body, 256 * kib, 512 * kib);
  EXPECT_TRUE(ahead.ready());
}

TEST_F(BodyFetcherTest, RandomReadsFetchAboutWhatTheyAskFor) {
  const auto expected = deliver(30 * mib);
  const auto body = open();
  drain();
  const auto before = server_.body_bytes();
  EXPECT_EQ(read(*body, 20 * mib + 777, 4096), expected.substr(20 * mib + 777, 4096));
  EXPECT_EQ(read(*body, 10 * mib - 10, 100000), expected.substr(10 * mib - 10, 100000));
  EXPECT_EQ(read(*body, 30 * mib - 5000, 8192), expected.substr(30 * mib - 5000));
  drain();
  EXPECT_LE(server_.body_bytes() - before, 5 * 64 * kib);
  for (const auto& fetched : server_.bodies_fetched()) {
    EXPECT_TRUE(fetched.range->offset % (64 * kib) == 0 || fetched.range->offset == 30 * mib - 1);
  }
}

TEST_F(BodyFetcherTest, TwoReadersAtDifferentOffsetsAreBothServed) {
  const auto expected = deliver(12 * mib);
  const auto low = open();
  const auto high = open();
  std::string low_half;
  std::string high_half;
  while (low_half.size() < 6 * mib) {
    auto first = start_read(*low, low_half.size(), 128 * kib);
    auto second = start_read(*high, 6 * mib + high_half.size(), 128 * kib);
    low_half += bytes_of(*first.get());
    high_half += bytes_of(*second.get());
  }
  EXPECT_TRUE(low_half + high_half == expected);
  EXPECT_EQ(server_.count("FETCH head and tail"), 1U);
  drain();
  EXPECT_TRUE(in_cache());
  EXPECT_LE(server_.body_bytes(), 12 * mib + 1) << "nothing was fetched twice";
}

TEST_F(BodyFetcherTest, ALargeMessageThatIsLargerThanToldIsMeasured) {
  const auto expected = deliver(3 * mib);
  server_.lie_about_size("INBOX", uid_, -1000);
  const auto body = open();
  EXPECT_EQ(exact_sizes(), (Sizes{{uid_.value, 3 * mib}}));
  EXPECT_EQ(body->length(), 3 * mib);
  EXPECT_EQ(read(*body, 3 * mib - 2000, 4096), expected.substr(3 * mib - 2000));
  EXPECT_TRUE(read_all(*body) == expected);
}

TEST_F(BodyFetcherTest, ALargeMessageFarFromItsToldSizeIsFetchedWhole) {
  for (const std::int64_t lie :
       {std::int64_t{500}, std::int64_t{2 * mib}, -std::int64_t{64 * kib}, -std::int64_t{mib}}) {
    const auto expected = deliver(3 * mib);
    server_.lie_about_size("INBOX", uid_, lie);
    const auto body = open();
    EXPECT_EQ(body->length(), 3 * mib) << lie;
    EXPECT_EQ(exact_sizes().back(), std::pair(uid_.value, std::uint64_t{3 * mib})) << lie;
    EXPECT_TRUE(read_all(*body) == expected) << lie;
    drain();
    EXPECT_TRUE(in_cache());
  }
}

TEST_F(BodyFetcherTest, ASmallMessageToldToBeHugeIsServed) {
  const auto expected = deliver(5000);
  server_.lie_about_size("INBOX", uid_, 1LL << 40);
  const auto body = open();
  EXPECT_EQ(body->length(), 5000U);
  EXPECT_EQ(read_all(*body), expected);
}

TEST_F(BodyFetcherTest, AnUnknownSizeMeansAWholeFetch) {
  const auto expected = deliver(2 * mib);
  auto wanted = request();
  wanted.size = 0;
  const auto body = *start_open(wanted).get();
  EXPECT_EQ(body->length(), 2 * mib);
  EXPECT_TRUE(read_all(*body) == expected);
  EXPECT_EQ(exact_sizes(), (Sizes{{uid_.value, 2 * mib}}));
}

TEST_F(BodyFetcherTest, AnExactSizeNeedsNoProbe) {
  const auto expected = deliver(3 * mib);
  auto wanted = request();
  wanted.size_is_exact = true;
  const auto body = *start_open(wanted).get();
  EXPECT_EQ(body->length(), 3 * mib);
  EXPECT_EQ(read(*body, 10, 1000), expected.substr(10, 1000));
  EXPECT_EQ(server_.count("FETCH head and tail"), 0U);
  EXPECT_EQ(server_.bodies_fetched().at(0).range->length, 256 * kib);
}

TEST_F(BodyFetcherTest, WithoutPartialFetchesEverythingComesWhole) {
  const auto expected = deliver(3 * mib);
  auto wanted = request();
  wanted.partial_allowed = false;
  EXPECT_TRUE(read_all(**start_open(wanted).get()) == expected);
  server_.set_quirks({imap::Quirk::no_partial});
  server_.drop_all_sessions();
  const auto more = deliver(2 * mib);
  EXPECT_TRUE(read_all(*open()) == more);
  for (const auto& fetched : server_.bodies_fetched()) EXPECT_FALSE(fetched.range);
}

TEST_F(BodyFetcherTest, AConnectionLostInMidBodyIsResumedWhereItBroke) {
  server_.set_chunk_bytes(10000);
  const auto expected = deliver(100000);
  server_.hold("FETCH body data");
  const auto body = open();
  auto first = start_read(*body, 0, 20000);
  server_.step("FETCH body data", 2);
  EXPECT_EQ(bytes_of(*first.get()), expected.substr(0, 20000));
  ASSERT_TRUE(server_.wait_until_held("FETCH body data"));
  server_.drop_all_sessions();
  server_.release("FETCH body data");
  EXPECT_EQ(read_all(*body), expected);
  drain();
  EXPECT_TRUE(in_cache());
  EXPECT_EQ(server_.body_bytes(), 100000U);
}

TEST_F(BodyFetcherTest, AConnectionLostIsResumedWithoutPartialFetchesToo) {
  server_.set_chunk_bytes(10000);
  const auto expected = deliver(100000);
  server_.hold("FETCH body data");
  auto wanted = request();
  wanted.partial_allowed = false;
  const auto body = *start_open(wanted).get();
  auto first = start_read(*body, 0, 10000);
  server_.step("FETCH body data");
  EXPECT_EQ(bytes_of(*first.get()), expected.substr(0, 10000));
  ASSERT_TRUE(server_.wait_until_held("FETCH body data"));
  server_.drop_all_sessions();
  server_.release("FETCH body data");
  EXPECT_EQ(read_all(*body), expected);
  drain();
  EXPECT_EQ(server_.body_bytes(), 110000U);
}

TEST_F(BodyFetcherTest, AMessageThatChangesItsLengthIsNotStitchedTogether) {
  server_.set_chunk_bytes(10000);
  deliver(50000);
  server_.hold("FETCH body data");
  auto wanted = request();
  wanted.partial_allowed = false;
  const auto body = *start_open(wanted).get();
  auto rest = start_read(*body, 0, 50000);
  server_.step("FETCH body data");
  ASSERT_TRUE(server_.wait_until_held("FETCH body data"));
  server_.edit_mailbox("INBOX", [&](auto& mailbox) {
    mailbox.messages.at(uid_).body = std::make_shared<const std::string>(make_body(60000));
  });
  server_.drop_all_sessions();
  server_.release("FETCH body data");
  const auto outcome = rest.get();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().errnum, EIO);
  drain();
  EXPECT_FALSE(in_cache());
  EXPECT_EQ(start_read(*body, 40000, 10).get().error().errnum, EIO);
  EXPECT_EQ(open()->length(), 60000U) << "whoever opens it anew gets what is there now";
}

TEST_F(BodyFetcherTest, AnExpungedMessageIsENOENT) {
  deliver(1000);
  const auto wanted = request();
  server_.expunge("INBOX", uid_);
  auto refused = start_open(wanted).get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, ENOENT);
  EXPECT_NE(refused.error().what.find("INBOX"), std::string::npos);
  refused = start_open(wanted).get();
  EXPECT_EQ(refused.error().errnum, ENOENT) << "and can be asked for again";
}

TEST_F(BodyFetcherTest, AMessageExpungedWhileItIsReadFailsOnlyForWhatIsMissing) {
  const auto expected = deliver(5 * mib);
  const auto body = open();
  EXPECT_EQ(read(*body, 0, 1000), expected.substr(0, 1000));
  drain();
  server_.expunge("INBOX", uid_);
  EXPECT_EQ(start_read(*body, 4 * mib, 1000).get().error().errnum, ENOENT);
  EXPECT_EQ(read(*body, 0, 1000), expected.substr(0, 1000));
}

TEST_F(BodyFetcherTest, AnotherUidValidityIsNeverReadUnderTheOldOne) {
  deliver(1000);
  const auto wanted = request();
  server_.change_uid_validity("INBOX", UidValidity{777});
  EXPECT_EQ(start_open(wanted).get().error().errnum, ESTALE);
  EXPECT_EQ(start_open(wanted).get().error().errnum, ESTALE) << "also on the connection that had selected it";
  auto outdated = request();
  outdated.is_current = [] { return false; };
  EXPECT_EQ(start_open(outdated).get().error().errnum, ESTALE);
  EXPECT_EQ(server_.body_bytes(), 0U);
}

TEST_F(BodyFetcherTest, AReadAfterAFailureTriesAgain) {
  const auto expected = deliver(5 * mib);
  const auto body = open();
  drain();
  server_.fail_next("FETCH body", Error{EAGAIN, Scope::request, Retry::later, "[LIMIT] busy"});
  EXPECT_EQ(start_read(*body, 3 * mib, 1000).get().error().errnum, EAGAIN);
  EXPECT_EQ(read(*body, 3 * mib, 1000), expected.substr(3 * mib, 1000));
}

TEST_F(BodyFetcherTest, ALargeRemainderNobodyWantsIsGivenUp) {
  server_.set_chunk_bytes(10000);
  deliver(4 * mib);
  auto wanted = request();
  wanted.partial_allowed = false;
  server_.hold("FETCH body data");
  auto body = *start_open(wanted).get();
  ASSERT_TRUE(server_.wait_until_held("FETCH body data"));
  body.reset();
  drain();
  EXPECT_EQ(server_.body_bytes(), 0U);
  EXPECT_FALSE(in_cache());
  EXPECT_EQ(fetcher_->downloads(), 0U);
}

TEST_F(BodyFetcherTest, ASmallRemainderIsFinishedIntoTheCache) {
  server_.set_chunk_bytes(10000);
  deliver(500000);
  server_.hold("FETCH body data");
  auto body = open();
  ASSERT_TRUE(server_.wait_until_held("FETCH body data"));
  body.reset();
  server_.release("FETCH body data");
  drain();
  EXPECT_TRUE(in_cache());
}

TEST_F(BodyFetcherTest, AWaitingReadKeepsTheTransferAliveWithoutItsBody) {
  server_.set_chunk_bytes(100000);
  const auto expected = deliver(4 * mib);
  auto wanted = request();
  wanted.partial_allowed = false;
  server_.hold("FETCH body data");
  auto body = *start_open(wanted).get();
  auto slice = start_read(*body, 3 * mib, 1000);
  body.reset();
  server_.release("FETCH body data");
  EXPECT_EQ(bytes_of(*slice.get()), expected.substr(3 * mib, 1000));
}

TEST_F(BodyFetcherTest, WhoOpensAMessageThatWasJustGivenUpGetsIt) {
  server_.set_chunk_bytes(100000);
  const auto expected = deliver(4 * mib);
  auto wanted = request();
  wanted.partial_allowed = false;
  for (int round = 0; round < 10; ++round) {
    server_.hold("FETCH body data");
    auto given_up = *start_open(wanted).get();
    ASSERT_TRUE(server_.wait_until_held("FETCH body data"));
    given_up.reset();
    auto body = start_open(wanted);
    server_.release("FETCH body data");
    EXPECT_TRUE(read_all(**body.get()) == expected);
    drain();
    cache_->remove(wanted.key);
  }
}

TEST_F(BodyFetcherTest, WithoutADiskBodiesAreServedFromMemoryWhileOpen) {
  use_memory_only();
  const auto expected = deliver(3 * mib);
  auto body = open();
  EXPECT_TRUE(read_all(*body) == expected);
  drain();
  EXPECT_TRUE(body->whole());
  const auto fetched = fetches();
  auto second = open();
  EXPECT_TRUE(read_all(*second) == expected) << "shared while somebody has it open";
  EXPECT_EQ(fetches(), fetched);
  const auto slice = start_read(*body, 100, 100).get();
  body.reset();
  second.reset();
  EXPECT_EQ(bytes_of(*slice), expected.substr(100, 100)) << "a slice outlives the body";
}

TEST_F(BodyFetcherTest, WithNeitherDiskNorMemoryTheOpenFailsAndTheConnectionStays) {
  use_memory_only(0);
  deliver(1000);
  EXPECT_EQ(start_open().get().error().errnum, ENOSPC);
  drain();
  EXPECT_EQ(server_.live_connections(), 1U);
}

TEST_F(BodyFetcherTest, AfterCloseOpenBodiesServeWhatIsThereAndFailOtherwise) {
  const auto expected = deliver(5 * mib);
  const auto body = open();
  drain();
  server_.hold("FETCH body");
  auto running = start_read(*body, 2 * mib, 1000);
  ASSERT_TRUE(server_.wait_until_held("FETCH body"));
  fetcher_->close();
  EXPECT_EQ(running.get().error().errnum, ECANCELED);
  EXPECT_EQ(read(*body, 0, 1000), expected.substr(0, 1000));
  EXPECT_EQ(start_read(*body, 3 * mib, 1000).get().error().errnum, ECANCELED);
  auto wanted = request();
  wanted.key.uid = Uid{99};
  EXPECT_EQ(start_open(wanted).get().error().errnum, ECANCELED);
}

TEST_F(BodyFetcherTest, ManyReadersInManyThreadsSeeTheSameOctets) {
  server_.set_chunk_bytes(30000);
  std::vector<std::pair<Uid, std::string>> messages;
  for (const std::size_t size : {std::size_t{3 * mib}, std::size_t{200 * kib}, std::size_t{2 * mib + 1}}) {
    auto expected = deliver(size);
    messages.emplace_back(uid_, std::move(expected));
  }
  std::vector<BodyFetcher::Request> requests;
  for (const auto& [uid, expected] : messages) {
    uid_ = uid;
    requests.push_back(request());
  }
  {
    std::vector<std::jthread> readers;
    for (std::size_t reader = 0; reader < 6; ++reader) {
      readers.emplace_back([&, reader] {
        for (std::size_t round = 0; round < 6; ++round) {
          const auto which = (reader + round) % messages.size();
          const auto opened = start_open(requests[which]).get();
          ASSERT_TRUE(opened) << opened.error().what;
          const auto& expected = messages[which].second;
          if (reader % 2 == 0) {
            EXPECT_TRUE(read_all(**opened) == expected);
          } else {
            const auto offset = (reader * 7919 * kib + round * 104729) % expected.size();
            EXPECT_TRUE(read(**opened, offset, 50000) == expected.substr(offset, 50000));
          }
        }
      });
    }
    server_.drop_all_sessions();
  }
  drain();
  EXPECT_EQ(fetcher_->downloads(), 0U);
}

}  // namespace
}  // namespace imapfs::sync
