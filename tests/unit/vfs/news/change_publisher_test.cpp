#include <fcntl.h>

#include <nlohmann/json.hpp>

#include "recording_notifier.hpp"
#include "unit/vfs/situation.hpp"

namespace imapfs::vfs {
namespace {

using nlohmann::json;

using Calls = std::vector<std::string>;

struct News : Situation {
  News() {
    publisher.connect_notifier(&kernel);
    handle = open(fixed_node(FixedNode::events)).value().handle;
  }
  sync::ChangeListener::MailboxChange change(const std::string& path) {
    sync::ChangeListener::MailboxChange news;
    news.mailbox = account.id(path);
    news.path = path;
    news.received = SteadyClock::now();
    return news;
  }
  /// "event path" of every line since the last call.
  Calls lines() {
    Calls result;
    const auto node = fixed_node(FixedNode::events);
    for (auto page = read(node, handle, 0, 1 << 17, O_NONBLOCK); page.error() == 0;
         page = read(node, handle, 0, 1 << 17, O_NONBLOCK)) {
      const std::string text = bytes(page);
      for (std::size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1) {
        const auto line = json::parse(text.substr(begin, text.find('\n', begin) - begin));
        result.push_back(line["event"].get<std::string>() + " " + line.value("path", ""));
        last = line;
      }
    }
    return result;
  }
  RecordingNotifier kernel;
  HandleId handle = 0;
  json last;
};

TEST(ChangePublisher, ADeliveryIsANewEntryAndALine) {
  News at;
  auto news = at.change("Archive/2026");
  news.added = {{Uid{7}, "lunch.7.eml"}};
  at.publisher.on_mailbox_changed(news);
  EXPECT_EQ(at.kernel.calls, (Calls{"added Archive/2026|lunch.7.eml"}));
  EXPECT_EQ(at.kernel.changes[0].parent, at.mailbox("Archive/2026"));
  EXPECT_EQ(at.kernel.changes[0].node, at.message("Archive/2026", 7));
  EXPECT_EQ(at.kernel.changes[0].received, news.received);
  EXPECT_EQ(at.lines(), (Calls{"added Archive/2026/lunch.7.eml"}));
  EXPECT_EQ(at.last["mailbox"], "Archive/2026");
  EXPECT_EQ(at.last["uid"], 7);
}

TEST(ChangePublisher, AnExpungeIsARemovedEntryAndALine) {
  News at;
  auto news = at.change("INBOX");
  news.removed = {{Uid{7}, "lunch.7.eml"}, {Uid{8}, "tea.8.eml"}};
  at.publisher.on_mailbox_changed(news);
  EXPECT_EQ(at.kernel.calls, (Calls{"removed INBOX|lunch.7.eml", "removed INBOX|tea.8.eml"}));
  EXPECT_EQ(at.lines(), (Calls{"removed INBOX/lunch.7.eml", "removed INBOX/tea.8.eml"}));
}

TEST(ChangePublisher, OnlyMailboxesAUserHasSeenAreAnnounced) {
  News at;
  auto news = at.change("INBOX");
  news.added = {{Uid{7}, "a.7.eml"}};
  at.publisher.on_mailbox_changed(news);
  at.opendir(at.mailbox("INBOX"));
  at.publisher.on_mailbox_changed(news);
  EXPECT_EQ(at.kernel.calls, (Calls{"added INBOX|a.7.eml", "added INBOX|a.7.eml announce"}));
}

TEST(ChangePublisher, ACorrectedSizeInvalidatesAttributes) {
  News at;
  const auto name = at.account.mailboxes().add("INBOX", 7);
  auto news = at.change("INBOX");
  news.attributes_changed = {Uid{7}};
  at.publisher.on_mailbox_changed(news);
  EXPECT_EQ(at.kernel.calls, (Calls{fmt::format("attributes {:#x}", at.message("INBOX", 7).value)}));
  EXPECT_EQ(at.lines(), (Calls{"size INBOX/" + name}));
}

TEST(ChangePublisher, FlagsAreALineAndNothingToTheKernel) {
  News at;
  const auto name = at.account.mailboxes().add("INBOX", 7);
  auto news = at.change("INBOX");
  news.flags_changed = {Uid{7}, Uid{8}};
  at.publisher.on_mailbox_changed(news);
  EXPECT_TRUE(at.kernel.calls.empty());
  EXPECT_EQ(at.lines(), (Calls{"flags INBOX/" + name})) << "8 is gone again";
}

TEST(ChangePublisher, ManyAdditionsAreOneWordAboutTheListing) {
  News at;
  auto news = at.change("INBOX");
  for (std::uint32_t uid = 1; uid <= 1001; ++uid) news.added.push_back({Uid{uid}, std::to_string(uid) + ".eml"});
  at.publisher.on_mailbox_changed(news);
  EXPECT_EQ(at.kernel.calls, (Calls{fmt::format("directory {:#x}", at.mailbox("INBOX").value)}));
  EXPECT_EQ(at.lines(), (Calls{"overflow INBOX"}));
}

TEST(ChangePublisher, AThousandAreStillToldOneByOne) {
  News at;
  auto news = at.change("INBOX");
  for (std::uint32_t uid = 1; uid <= 1000; ++uid) news.removed.push_back({Uid{uid}, std::to_string(uid) + ".eml"});
  at.publisher.on_mailbox_changed(news);
  EXPECT_EQ(at.kernel.calls.size(), 1000u);
  EXPECT_EQ(at.lines().size(), 1000u);
}

TEST(ChangePublisher, ManyRemovalsForgetTheDirectory) {
  News at;
  auto news = at.change("Archive/2026");
  for (std::uint32_t uid = 1; uid <= 1001; ++uid) news.removed.push_back({Uid{uid}, std::to_string(uid) + ".eml"});
  news.added = {{Uid{2000}, "new.eml"}};
  at.publisher.on_mailbox_changed(news);
  EXPECT_EQ(at.kernel.calls, (Calls{"forgotten Archive|2026/"}));
  EXPECT_EQ(at.kernel.changes[0].parent, at.mailbox("Archive"));
  EXPECT_EQ(at.kernel.changes[0].node, at.mailbox("Archive/2026"));
  EXPECT_EQ(at.lines(), (Calls{"overflow Archive/2026", "added Archive/2026/new.eml"}));
}

TEST(ChangePublisher, ANewUidvalidityForgetsTheDirectory) {
  News at;
  auto news = at.change("INBOX");
  news.everything = true;
  at.publisher.on_mailbox_changed(news);
  EXPECT_EQ(at.kernel.calls, (Calls{"forgotten |INBOX/"}));
  EXPECT_EQ(at.kernel.changes[0].parent, root_node);
  EXPECT_EQ(at.lines(), (Calls{"reset INBOX"}));
}

TEST(ChangePublisher, MailboxesComeAndGo) {
  News at;
  at.lookup(root_node, "Archive");
  at.publisher.on_tree_changed(at.account.set_mailboxes({"INBOX", "Archive/", "Archive/2027", "Sent"}));
  EXPECT_EQ(at.kernel.calls, (Calls{"removed Archive|2026/ announce", "added Archive|2027/ announce"}));
  EXPECT_EQ(at.kernel.changes[1].node, at.mailbox("Archive/2027"));
  EXPECT_EQ(at.kernel.changes[1].parent, at.mailbox("Archive"));
  EXPECT_EQ(at.lines(), (Calls{"mailbox-removed Archive/2026", "mailbox-added Archive/2027"}));
}

TEST(ChangePublisher, NewsBeforeTheMountIsALineOnly) {
  News at;
  at.publisher.connect_notifier(nullptr);
  at.publisher.connect_mailboxes(nullptr);
  auto news = at.change("INBOX");
  news.added = {{Uid{7}, "a.7.eml"}};
  news.everything = true;
  news.flags_changed = {Uid{7}};
  at.publisher.on_mailbox_changed(news);
  EXPECT_TRUE(at.kernel.calls.empty());
  EXPECT_EQ(at.lines(), (Calls{"reset INBOX", "added INBOX/a.7.eml"}));
}

TEST(ChangePublisher, WhatAServerSaidIsPrintable) {
  News at;
  at.publisher.on_online(false, "BYE \x1b[2J\xff");
  EXPECT_EQ(at.lines(), (Calls{"offline "}));
  EXPECT_EQ(at.last["reason"].get<std::string>().find('\x1b'), std::string::npos);
}

TEST(ChangePublisher, NamesThatAreNotUtf8DoNotStopTheNews) {
  News at;
  auto news = at.change("INBOX");
  news.added = {{Uid{7}, "\xff\xfe.7.eml"}};
  at.publisher.on_mailbox_changed(news);
  EXPECT_EQ(at.lines().size(), 1u);
}

TEST(ChangePublisher, ChangesMadeHereAreLinesOnly) {
  News at;
  auto news = at.change("INBOX");
  news.added_by_us = {{Uid{8}, "new"}};
  news.removed_by_us = {{Uid{7}, "old"}};
  at.publisher.on_mailbox_changed(news);
  EXPECT_TRUE(at.kernel.calls.empty()) << "the kernel has made them itself";
  EXPECT_EQ(at.lines(), (Calls{"removed INBOX/old", "added INBOX/new"}));
}

TEST(ChangePublisher, MailboxesMadeHereAreLinesOnly) {
  News at;
  sync::TreeChange change;
  change.added_by_us.push_back(*at.account.mailboxes().tree()->find_path("Sent"));
  at.publisher.on_tree_changed(change);
  EXPECT_TRUE(at.kernel.calls.empty());
  EXPECT_EQ(at.lines(), (Calls{"mailbox-added Sent"}));
}

TEST(ChangePublisher, ARefusedChangeIsALineWithItsReason) {
  News at;
  at.publisher.on_change_refused("remove", "INBOX/a.eml", {EACCES, Scope::mailbox, Retry::never, "no\nright"});
  EXPECT_EQ(at.lines(), (Calls{"refused INBOX/a.eml"}));
  EXPECT_EQ(at.last["operation"], "remove");
  EXPECT_EQ(at.last["reason"].get<std::string>().find('\n'), std::string::npos);
}

}  // namespace
}  // namespace imapfs::vfs
