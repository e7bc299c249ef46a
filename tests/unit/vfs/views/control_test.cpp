#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "unit/vfs/situation.hpp"

namespace imapfs::vfs {
namespace {

using nlohmann::json;
const NodeId events = fixed_node(FixedNode::events);
const NodeId status = fixed_node(FixedNode::status);

/// The "event" of every line.
std::vector<std::string> kinds(const std::string& lines) {
  std::vector<std::string> result;
  for (std::size_t begin = 0; begin < lines.size();) {
    const auto end = lines.find('\n', begin);
    result.push_back(json::parse(lines.substr(begin, end - begin)).at("event"));
    begin = end + 1;
  }
  return result;
}
using Kinds = std::vector<std::string>;

TEST(Control, TheDirectoryListsItsFiles) {
  Situation at;
  const auto directory = at.lookup(root_node, ".imapfs").value();
  EXPECT_EQ(directory.attributes.mode, mode_t{S_IFDIR | 0500});
  EXPECT_EQ(at.opendir(directory.node).error(), 0);
  for (const std::size_t limit : {1u, 100u}) {
    const auto names = at.names(at.list(directory.node, limit));
    EXPECT_EQ(names, (std::vector<std::string>{".", "..", "status", "events", "requests", "config"}));
  }
}

TEST(Control, FilesAreForTheOwnerToRead) {
  Situation at;
  std::set<std::uint64_t> inodes;
  for (const auto* name : {"status", "events", "requests", "config"}) {
    const auto entry = at.lookup(fixed_node(FixedNode::control_directory), name).value();
    EXPECT_EQ(entry.attributes.mode, mode_t{S_IFREG | 0400});
    EXPECT_EQ(entry.attributes.uid, 1000u);
    EXPECT_EQ(entry.attributes.links, 1u);
    inodes.insert(entry.attributes.inode.value);
    EXPECT_TRUE(at.open(entry.node).value().direct_io);
  }
  EXPECT_EQ(inodes.size(), 4u);
  EXPECT_EQ(at.lookup(fixed_node(FixedNode::control_directory), "ctl").error(), ENOENT);
}

TEST(Control, InodesAreTheSameAfterARemount) {
  Situation one;
  Situation two;
  EXPECT_EQ(one.getattr(status).value().attributes.inode, two.getattr(status).value().attributes.inode);
}

TEST(Control, StatusIsJson) {
  Situation at;
  const auto handle = at.open(status).value().handle;
  EXPECT_EQ(json::parse(at.bytes(at.read(status, handle))), (json{{"online", true}}));
}

TEST(Control, ASnapshotIsTakenAtOpen) {
  int asked = 0;
  Settings settings = Situation::default_settings();
  settings.requests = [&] { return json{{"asked", ++asked}}; };
  Situation at(settings);
  const auto node = fixed_node(FixedNode::requests);
  const auto first = at.open(node).value().handle;
  const auto second = at.open(node).value().handle;
  EXPECT_EQ(json::parse(at.bytes(at.read(node, first)))["asked"], 1);
  EXPECT_EQ(json::parse(at.bytes(at.read(node, second)))["asked"], 2);
  EXPECT_EQ(at.bytes(at.read(node, first, 0, 1)) + at.bytes(at.read(node, first, 1)), "{\n  \"asked\": 1\n}\n");
  EXPECT_EQ(at.bytes(at.read(node, first, 1000)), "");
  EXPECT_EQ(asked, 2);
}

TEST(Control, ConfigurationComesFromTheCallback) {
  Settings settings = Situation::default_settings();
  settings.configuration = [] { return json{{"refresh", 60}}; };
  Situation at(settings);
  const auto node = fixed_node(FixedNode::configuration);
  EXPECT_EQ(json::parse(at.bytes(at.read(node, at.open(node).value().handle)))["refresh"], 60);
}

TEST(Control, WithoutACallbackAFileIsAnEmptyObject) {
  Situation at;
  const auto node = fixed_node(FixedNode::requests);
  EXPECT_EQ(at.bytes(at.read(node, at.open(node).value().handle)), "{}\n");
}

TEST(Control, TextThatIsNotUtf8StaysJson) {
  Settings settings = Situation::default_settings();
  settings.requests = [] { return json{{"path", "\xff"}}; };
  Situation at(settings);
  const auto node = fixed_node(FixedNode::requests);
  EXPECT_TRUE(json::accept(at.bytes(at.read(node, at.open(node).value().handle))));
}

TEST(Control, ASnapshotOfAnEarlierProcessIsTheStateOfNow) {
  Situation at;
  EXPECT_EQ(json::parse(at.bytes(at.read(status, 12345))), (json{{"online", true}}));
}

TEST(Events, AReaderStartsAtNow) {
  Situation at;
  at.publisher.on_online(false, "before");
  const auto opened = at.open(events).value();
  EXPECT_TRUE(opened.nonseekable);
  EXPECT_TRUE(opened.direct_io);
  const auto line = at.read(events, opened.handle);
  EXPECT_FALSE(line.came());
  at.publisher.on_online(true, "");
  EXPECT_EQ(kinds(at.bytes(line)), (Kinds{"online"}));
}

TEST(Events, LinesWaitForTheReader) {
  Situation at;
  const auto handle = at.open(events).value().handle;
  at.publisher.on_online(false, "closed by server");
  at.publisher.on_online(true, "");
  const auto text = at.bytes(at.read(events, handle));
  EXPECT_EQ(kinds(text), (Kinds{"offline", "online"}));
  const auto first = json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(first["reason"], "closed by server");
  EXPECT_TRUE(text.starts_with("{\"time\":\"2")) << text;
}

TEST(Events, EveryReaderGetsEveryLine) {
  Situation at;
  const auto one = at.read(events, at.open(events).value().handle);
  const auto two = at.read(events, at.open(events).value().handle);
  at.publisher.on_online(true, "");
  EXPECT_EQ(at.bytes(one), at.bytes(two));
}

TEST(Events, ANonblockingReadSaysTryAgain) {
  Situation at;
  const auto handle = at.open(events).value().handle;
  EXPECT_EQ(at.read(events, handle, 0, 4096, O_NONBLOCK).error(), EAGAIN);
  at.publisher.on_online(true, "");
  EXPECT_EQ(at.read(events, handle, 0, 4096, O_NONBLOCK).error(), 0);
}

TEST(Events, AnInterruptedReadLosesNoLine) {
  Situation at;
  const auto handle = at.open(events).value().handle;
  const auto interrupted = at.read(events, handle, 0, 4096, 0, 55);
  EXPECT_FALSE(at.filesystem.cancel(54));
  EXPECT_TRUE(at.filesystem.cancel(55));
  EXPECT_EQ(interrupted.error(), EINTR);
  EXPECT_FALSE(at.filesystem.cancel(55));
  at.publisher.on_online(true, "");
  EXPECT_EQ(kinds(at.bytes(at.read(events, handle))), (Kinds{"online"}));
}

TEST(Events, OnlyThisFileWaits) {
  Situation at;
  EXPECT_TRUE(at.filesystem.waits_for_events(events));
  EXPECT_FALSE(at.filesystem.waits_for_events(status));
}

TEST(Events, ASmallBufferGetsALineInPieces) {
  Situation at;
  const auto handle = at.open(events).value().handle;
  at.publisher.on_online(true, "");
  at.publisher.on_online(false, "");
  std::string text;
  for (int reads = 0; reads < 100 && kinds(text).size() < 2; ++reads) {
    do text += at.bytes(at.read(events, handle, 0, 7));
    while (text.back() != '\n');
  }
  EXPECT_EQ(kinds(text), (Kinds{"online", "offline"}));
}

TEST(Events, WholeLinesFillABuffer) {
  Situation at;
  const auto handle = at.open(events).value().handle;
  at.publisher.on_online(true, "");
  at.publisher.on_online(true, "");
  const auto page = at.bytes(at.read(events, handle, 0, 80));
  EXPECT_EQ(kinds(page).size(), 1u) << "the second line does not fit and comes whole the next time";
  EXPECT_EQ(kinds(at.bytes(at.read(events, handle, 0, 80))).size(), 1u);
}

TEST(Events, ASlowReaderIsToldOnceThatLinesWereLost) {
  Situation at;
  const auto handle = at.open(events).value().handle;
  for (std::size_t line = 0; line < EventLog::default_capacity + 10; ++line) at.publisher.on_online(true, "");
  Kinds all;
  for (auto page = at.read(events, handle, 0, 1 << 16, O_NONBLOCK); page.error() == 0;
       page = at.read(events, handle, 0, 1 << 16, O_NONBLOCK)) {
    const auto some = kinds(at.bytes(page));
    all.insert(all.end(), some.begin(), some.end());
  }
  ASSERT_EQ(all.size(), EventLog::default_capacity + 1);
  EXPECT_EQ(all.front(), "overflow");
  EXPECT_EQ(std::count(all.begin(), all.end(), "overflow"), 1);
}

TEST(Events, AnOverflowInTheMiddleOfALineEndsThatLineFirst) {
  Situation at;
  const auto handle = at.open(events).value().handle;
  at.publisher.on_online(true, "");
  auto text = at.bytes(at.read(events, handle, 0, 5));
  for (std::size_t line = 0; line < EventLog::default_capacity + 10; ++line) at.publisher.on_online(false, "");
  text += at.bytes(at.read(events, handle, 0, 1 << 16));
  text += at.bytes(at.read(events, handle, 0, 1 << 16));
  const auto all = kinds(text);
  ASSERT_GE(all.size(), 3u);
  EXPECT_EQ(all[0], "online");
  EXPECT_EQ(all[1], "overflow");
  EXPECT_EQ(all[2], "offline");
}

TEST(Events, PollSaysWhenThereIsALine) {
  Situation at;
  const auto handle = at.open(events).value().handle;
  int wakes = 0;
  Answer<unsigned> before;
  at.filesystem.poll(
      {}, events, handle, [&] { ++wakes; }, before.reply());
  EXPECT_EQ(before.value(), 0u);
  at.publisher.on_online(true, "");
  at.publisher.on_online(true, "");
  EXPECT_EQ(wakes, 1);
  Answer<unsigned> after;
  at.filesystem.poll(
      {}, events, handle, [&] { ++wakes; }, after.reply());
  EXPECT_NE(after.value() & POLLIN, 0u);
  EXPECT_EQ(wakes, 1);
}

TEST(Events, ALaterPollReplacesTheEarlierOne) {
  Situation at;
  const auto handle = at.open(events).value().handle;
  auto first = std::make_shared<int>(0);
  int second = 0;
  Answer<unsigned> one;
  Answer<unsigned> two;
  at.filesystem.poll(
      {}, events, handle, [first] { ++*first; }, one.reply());
  at.filesystem.poll(
      {}, events, handle, [&] { ++second; }, two.reply());
  EXPECT_EQ(first.use_count(), 1) << "released";
  at.publisher.on_online(true, "");
  EXPECT_EQ(*first, 0);
  EXPECT_EQ(second, 1);
}

TEST(Events, ClosingReleasesTheReader) {
  Situation at;
  const auto handle = at.open(events).value().handle;
  auto token = std::make_shared<int>(0);
  Answer<unsigned> polled;
  at.filesystem.poll(
      {}, events, handle, [token] { ++*token; }, polled.reply());
  const auto waiting = at.read(events, handle);
  at.filesystem.release(events, handle);
  EXPECT_EQ(waiting.error(), EBADF);
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Events, AHandleOfAnEarlierProcessGoesOnAtNow) {
  Situation at;
  at.publisher.on_online(false, "");
  const auto line = at.read(events, 4242);
  EXPECT_FALSE(line.came());
  at.publisher.on_online(true, "");
  EXPECT_EQ(kinds(at.bytes(line)), (Kinds{"online"}));
}

TEST(Events, TheEndOfTheMountEndsWaitingReads) {
  Situation at;
  const auto handle = at.open(events).value().handle;
  const auto waiting = at.read(events, handle);
  at.filesystem.shut_down();
  EXPECT_EQ(waiting.error(), ENODEV);
  EXPECT_EQ(at.read(events, handle).error(), ENODEV);
}

TEST(Events, TooManyWaitingReadsAreRefused) {
  Situation at;
  const auto handle = at.open(events).value().handle;
  std::vector<Answer<ReadResult>> waiting;
  for (std::size_t index = 0; index < EventLog::max_waiting; ++index) waiting.push_back(at.read(events, handle));
  EXPECT_FALSE(waiting.back().came());
  EXPECT_EQ(at.read(events, handle).error(), EAGAIN);
}

}  // namespace
}  // namespace imapfs::vfs
