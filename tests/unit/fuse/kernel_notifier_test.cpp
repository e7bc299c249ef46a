// What the kernel and the watchers are told, in which order, and what happens when there is too much of it.
#include "imapfs/fuse/kernel_notifier.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <stdexcept>

#include "imapfs/vfs/node_id.hpp"

namespace imapfs::fuse {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using Kind = Notification::Kind;

/// Writes down every call of both threads. Can hold the notifier up inside a call.
class Recorder : public NotifyChannel, public AnnounceChannel {
 public:
  int invalidate_directory(vfs::NodeId directory) override {
    note(fmt::format("directory {}", directory.value));
    if (directory == throws_at_) throw std::runtime_error("a defect");
    return 0;
  }
  int invalidate_attributes(vfs::NodeId node) override { return note(fmt::format("attributes {}", node.value)); }
  int invalidate_entry(vfs::NodeId parent, const std::string& name) override {
    return note(fmt::format("entry {}/{}", parent.value, name));
  }
  int remove_entry(vfs::NodeId parent, vfs::NodeId child, const std::string& name) override {
    note(fmt::format("remove {}/{} {}", parent.value, name, child.value));
    return removal_outcome_;
  }
  int wake_poller(fuse_pollhandle*) override { return note("poll"); }
  int create(const std::string& path, bool is_directory) override {
    if (path.ends_with("throws")) throw std::runtime_error("a defect");
    note(fmt::format("{} {}", is_directory ? "mkdir" : "mknod", path));
    return collisions_-- > 0 ? EEXIST : 0;
  }
  int remove(const std::string& path, bool is_directory) override {
    return note(fmt::format("{} {}", is_directory ? "rmdir" : "unlink", path));
  }

  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 20s, [&] { return calls_.size() >= count; });
    return calls_;
  }
  void hold() {
    const std::lock_guard guard(mutex_);
    held_ = true;
  }
  void detach() {
    const std::lock_guard guard(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  int note(const std::string& call) {
    std::unique_lock lock(mutex_);
    calls_.push_back(call);
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
    return 0;
  }

  std::atomic<int> collisions_ = 0;
  std::atomic<int> removal_outcome_ = 0;
  vfs::NodeId throws_at_;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> calls_;
  bool held_ = false;
};

vfs::KernelNotifier::EntryChange change(std::uint64_t parent, const std::string& name, bool announce = false) {
  return {.parent = vfs::NodeId{parent},
          .directory = "INBOX",
          .name = name,
          .node = vfs::NodeId{99},
          .is_directory = false,
          .announce = announce,
          .received = SteadyClock::now()};
}

class Notifier : public ::testing::Test {
 protected:
  SessionNotifier::Dependencies environment() {
    return {.kernel = &recorder_,
            .announcer = &recorder_,
            .begin_announcement =
                [this](const vfs::Announcement& announcement) {
                  recorder_.note("begin " + announcement.name);
                  return vfs::Announcements::Id{1};
                },
            .end_announcement = [this](vfs::Announcements::Id) { recorder_.note("end"); },
            .place_of = [](vfs::NodeId directory) -> std::optional<DirectoryPlace> {
              if (directory.value == 1) return std::nullopt;
              return DirectoryPlace{vfs::NodeId{1}, "place"};
            }};
  }
  Recorder recorder_;
};

TEST_F(Notifier, ANewNameInvalidatesTheListingAndIsAnnouncedAfterwards) {
  SessionNotifier notifier(environment());
  notifier.entry_added(change(5, "new.eml", true));
  EXPECT_THAT(recorder_.wait_for(4), ElementsAre("directory 5", "begin new.eml", "mknod INBOX/new.eml", "end"));
}

TEST_F(Notifier, BothThreadsGoOnAfterAnException) {
  recorder_.throws_at_ = vfs::NodeId{66};
  SessionNotifier notifier(environment());
  notifier.entry_added(change(66, "a.eml"));
  notifier.entry_added(change(5, "throws", true));
  notifier.entry_added(change(7, "new.eml", true));
  const auto calls = recorder_.wait_for(7);
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "directory 66"), 1);
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "mknod INBOX/new.eml"), 1);
}

TEST_F(Notifier, AGoneNameLosesTheListingFirstThenItsEntryThenIsAnnounced) {
  SessionNotifier notifier(environment());
  notifier.entry_removed(change(5, "old.eml", true));
  EXPECT_THAT(recorder_.wait_for(5),
              ElementsAre("directory 5", "remove 5/old.eml 99", "begin old.eml", "unlink INBOX/old.eml", "end"));
}

TEST_F(Notifier, AnEntryThatCannotBeRemovedIsInvalidated) {
  recorder_.removal_outcome_ = -ENOTEMPTY;
  SessionNotifier notifier(environment());
  notifier.entry_removed(change(5, "old"));
  EXPECT_THAT(recorder_.wait_for(3), ElementsAre("directory 5", "remove 5/old 99", "entry 5/old"));
}

TEST_F(Notifier, DirectoriesAreAnnouncedAsDirectories) {
  SessionNotifier notifier(environment());
  auto made = change(1, "Archive", true);
  made.directory.clear();
  made.is_directory = true;
  notifier.entry_added(made);
  EXPECT_THAT(recorder_.wait_for(4), Contains("mkdir Archive"));
}

TEST_F(Notifier, ANameTheKernelLearntFirstIsForgottenAndAnnouncedAgain) {
  recorder_.collisions_ = 1;
  SessionNotifier notifier(environment());
  notifier.entry_added(change(5, "new.eml", true));
  EXPECT_THAT(recorder_.wait_for(8), ElementsAre("directory 5", "begin new.eml", "mknod INBOX/new.eml", "end",
                                                 "entry 5/new.eml", "begin new.eml", "mknod INBOX/new.eml", "end"));
}

TEST_F(Notifier, AnAnnouncementIsTriedThreeTimesAtMost) {
  recorder_.collisions_ = 1000;
  SessionNotifier notifier(environment());
  notifier.entry_added(change(5, "new.eml", true));
  EXPECT_EQ(recorder_.wait_for(12).size(), 12u);
  notifier.attributes_changed(vfs::NodeId{3});
  const auto calls = recorder_.wait_for(13);
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "mknod INBOX/new.eml"), 3);
  EXPECT_EQ(calls.back(), "attributes 3");
}

TEST_F(Notifier, TheAnnouncersThreadIsKnown) {
  SessionNotifier notifier(environment());
  notifier.entry_added(change(5, "new.eml", true));
  recorder_.wait_for(4);
  EXPECT_GT(notifier.announcer_thread(), 0);
  EXPECT_NE(notifier.announcer_thread(), ::gettid());
}

TEST_F(Notifier, AFullQueueForgetsTheWholeDirectoryWithoutMakingAnybodyWait) {
  SessionNotifier notifier(environment(), 4);
  recorder_.hold();
  notifier.attributes_changed(vfs::NodeId{3});
  recorder_.wait_for(1);  // the notifier is inside this call now
  for (int index = 0; index < 100; ++index) notifier.entry_removed(change(5, fmt::format("{}.eml", index)));
  recorder_.detach();
  EXPECT_THAT(recorder_.wait_for(3), ElementsAre("attributes 3", "directory 5", "entry 1/place"));
}

TEST_F(Notifier, AfterStopNothingIsDelivered) {
  SessionNotifier notifier(environment());
  notifier.stop();
  notifier.entry_added(change(5, "new.eml", true));
  notifier.stop();
  EXPECT_TRUE(recorder_.wait_for(0).empty());
}

Notification entry(Kind kind, std::uint64_t parent, const std::string& name) {
  Notification notification;
  notification.kind = kind;
  notification.change = change(parent, name);
  return notification;
}

std::vector<std::string> drain(NotificationQueue& queue) {
  std::vector<std::string> out;
  while (const auto next = queue.pop()) {
    const bool forgotten = next->kind == Kind::directory_forgotten;
    out.push_back(forgotten ? fmt::format("forget {}", next->change.node.value) : next->change.name);
  }
  return out;
}

TEST(NotificationQueue, KeepsTheOrder) {
  NotificationQueue queue(10);
  queue.push(entry(Kind::added, 5, "a"));
  queue.push(entry(Kind::removed, 5, "a"));
  queue.push(entry(Kind::added, 6, "b"));
  EXPECT_THAT(drain(queue), ElementsAre("a", "a", "b"));
}

TEST(NotificationQueue, AnOverflowMergesOneDirectoryAndLeavesTheOthersAlone) {
  NotificationQueue queue(4);
  queue.push(entry(Kind::added, 5, "a"));
  queue.push(entry(Kind::added, 6, "b"));
  queue.push(entry(Kind::added, 5, "c"));
  queue.push(entry(Kind::added, 5, "d"));
  queue.push(entry(Kind::added, 5, "e"));
  queue.push(entry(Kind::added, 6, "f"));
  EXPECT_THAT(drain(queue), ElementsAre("b", "forget 5", "f"));
}

TEST(NotificationQueue, WhatComesAfterTheForgettingWasTakenStandsForItself) {
  NotificationQueue queue(1);
  queue.push(entry(Kind::added, 5, "a"));
  queue.push(entry(Kind::added, 5, "b"));
  queue.push(entry(Kind::added, 5, "c"));
  EXPECT_THAT(drain(queue), ElementsAre("forget 5"));
  queue.push(entry(Kind::added, 5, "d"));
  EXPECT_THAT(drain(queue), ElementsAre("d"));
}

TEST(NotificationQueue, AttributesOfAMessageBelongToItsMailbox) {
  NotificationQueue queue(1);
  const auto mailbox = vfs::mailbox_node(MailboxId{77});
  queue.push(entry(Kind::added, mailbox.value, "a"));
  Notification attributes;
  attributes.kind = Kind::attributes;
  attributes.change.node = vfs::message_node(MailboxId{77}, Uid{4711});
  queue.push(attributes);
  EXPECT_THAT(drain(queue), ElementsAre(fmt::format("forget {}", mailbox.value)));
}

TEST(NotificationQueue, IsBoundedWhateverComes) {
  NotificationQueue queue(8);
  for (int round = 0; round < 1000; ++round) {
    queue.push(entry(round % 2 == 0 ? Kind::added : Kind::removed, 5 + static_cast<std::uint64_t>(round % 7),
                     fmt::format("{}", round)));
    Notification attributes;
    attributes.kind = Kind::attributes;
    attributes.change.node = vfs::fixed_node(vfs::FixedNode::status);
    queue.push(attributes);
  }
  EXPECT_LE(queue.size(), 8u + 7u + 1u);
}

}  // namespace
}  // namespace imapfs::fuse
