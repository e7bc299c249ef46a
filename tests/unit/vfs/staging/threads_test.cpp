// What several threads do at once: meant for ThreadSanitizer, and asserts that nothing is lost or answered twice.
#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "unit/vfs/situation.hpp"

namespace imapfs::vfs {
namespace {

TEST(Threads, EveryLineReachesAReaderThatWaits) {
  Situation at;
  constexpr std::size_t lines = 500;
  const auto node = fixed_node(FixedNode::events);
  const auto handle = at.open(node).value().handle;
  std::atomic<bool> done{false};
  std::jthread writer([&] {
    for (std::size_t line = 0; line < lines; ++line) at.publisher.on_online(true, "");
    done = true;
  });
  std::jthread poller([&] {
    while (!done)
      at.filesystem.poll(
          {}, node, handle, [] {}, [](Result<unsigned>) {});
  });
  std::size_t seen = 0;
  while (seen < lines) {
    std::promise<std::string> promise;
    auto future = promise.get_future();
    at.filesystem.read({}, {node, handle, 0, 4096, 0},
                       [&](Result<ReadResult> result) { promise.set_value(Situation::bytes(*result)); });
    ASSERT_EQ(future.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    const auto text = future.get();
    seen += static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  EXPECT_EQ(seen, lines);
}

TEST(Threads, CancelAndNewsAnswerAReadExactlyOnce) {
  Situation at;
  const auto node = fixed_node(FixedNode::events);
  const auto handle = at.open(node).value().handle;
  std::size_t lines = 0;
  for (RequestId request = 1; request <= 200; ++request) {
    std::atomic<int> answers{0};
    std::atomic<bool> interrupted{false};
    Caller caller;
    caller.request = request;
    at.filesystem.read(caller, {node, handle, 0, 1 << 16, 0}, [&](Result<ReadResult> result) {
      interrupted = !result;
      ++answers;
    });
    std::jthread news([&] { at.publisher.on_online(true, ""); });
    std::jthread interrupt([&] { at.filesystem.cancel(request); });
    news.join();
    interrupt.join();
    ASSERT_EQ(answers, 1);
    lines += interrupted ? at.read(node, handle, 0, 1 << 16, O_NONBLOCK).error() == 0 : 1;
  }
  EXPECT_EQ(lines, 200u) << "a line was lost to an interrupted read";
}

TEST(Threads, ListingAndNewsAndReadsDoNotMeet) {
  Situation at;
  at.account.bodies().set_body("INBOX", 1, "text");
  at.account.mailboxes().add("INBOX", 1);
  std::jthread sync([&] {
    for (std::uint32_t uid = 2; uid <= 400; ++uid) {
      at.account.mailboxes().add("INBOX", uid);
      if (uid % 10 == 0) at.account.mailboxes().messages("INBOX").remove(UidSet::single(Uid{uid - 5}));
    }
    at.account.mailboxes().complete("INBOX");
  });
  std::jthread reader([&] {
    for (int round = 0; round < 100; ++round) {
      const auto handle = at.open(at.message("INBOX", 1)).value().handle;
      EXPECT_EQ(at.bytes(at.read(at.message("INBOX", 1), handle)), "text");
      at.filesystem.release(at.message("INBOX", 1), handle);
    }
  });
  std::jthread announcing([&] {
    for (int round = 0; round < 100; ++round) {
      const auto id = at.filesystem.begin_announcement(
          {Announcement::Kind::created, at.mailbox("INBOX"), "1.eml", at.message("INBOX", 1)});
      EXPECT_EQ(at.lookup(at.mailbox("INBOX"), "1.eml", announcer()).error(), ENOENT);
      at.filesystem.end_announcement(id);
    }
  });
  std::size_t messages = 0;
  for (std::uint64_t cookie = 0;;) {
    std::promise<DirectoryPage> promise;
    auto future = promise.get_future();
    at.filesystem.readdir({}, {at.mailbox("INBOX"), cookie, 16, true},
                          [&](Result<DirectoryPage> page) { promise.set_value(std::move(*page)); });
    ASSERT_EQ(future.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    const auto page = future.get();
    if (page.empty()) break;
    for (const auto& entry : page) {
      EXPECT_GT(entry.cookie, cookie);
      cookie = entry.cookie;
      if (cookie > message_cookie(Uid{0})) ++messages;
    }
  }
  EXPECT_GE(messages, 360u);
}

}  // namespace
}  // namespace imapfs::vfs
