// FakeServer's changes, because tests of other layers rely on them to behave as servers do.

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_server.hpp"

namespace imapfs::testing {
namespace {

class Text : public imap::AppendSource {
 public:
  explicit Text(std::string text, bool broken = false) : text_(std::move(text)), broken_(broken) {}
  [[nodiscard]] std::uint64_t size() const override { return text_.size(); }
  Result<std::size_t> read(std::span<char> buffer) override {
    if (broken_ && read_ > 0) return fail(EIO, "the disk is broken");
    const auto count = std::min({buffer.size(), text_.size() - read_, std::size_t{5}});
    std::memcpy(buffer.data(), text_.data() + read_, count);
    read_ += count;
    return count;
  }

 private:
  std::string text_;
  bool broken_;
  std::size_t read_ = 0;
};

class Listener : public imap::UntaggedListener {
 public:
  void on_exists(std::uint32_t messages) override { note("EXISTS " + std::to_string(messages)); }
  void on_expunge() override { note("EXPUNGE"); }
  void on_vanished(const UidSet& uids) override { note("VANISHED " + uids.to_string()); }
  void on_fetch(const imap::FetchRow& row) override {
    note("FETCH " + std::to_string(row.uid.value) + (row.flags ? " (" + row.flags->to_string() + ")" : " MODSEQ"));
  }
  void on_status(const imap::WireName& mailbox, const MailboxStatus&) override { note("STATUS " + mailbox); }
  void on_mailbox_list_changed() override { note("LIST"); }
  std::vector<std::string> take() { return std::exchange(news_, {}); }

 private:
  void note(std::string text) { news_.push_back(std::move(text)); }
  std::vector<std::string> news_;
};

using News = std::vector<std::string>;
using Pairs = std::vector<std::pair<Uid, Uid>>;

class FakeServerChanges : public ::testing::Test {
 protected:
  FakeServerChanges() {
    server.create_mailbox("Archive");
    for (int i = 0; i < 3; ++i) server.deliver("INBOX", "Subject: " + std::to_string(i) + "\r\n\r\n");
  }
  std::unique_ptr<imap::Session> open(imap::UntaggedListener& listener, const std::string& mailbox = "INBOX",
                                      bool read_write = true) {
    auto session = *server.factory()({});
    session->set_listener(&listener);
    imap::Session::SelectRequest request;
    request.mailbox = mailbox;
    request.read_write = read_write;
    EXPECT_TRUE(session->select(request, {}));
    return session;
  }
  static UidSet set(std::uint32_t first, std::uint32_t last) { return UidSet::range(Uid{first}, Uid{last}); }
  static FlagChange adding(const std::string& flags) { return {FlagChange::Kind::add, FlagSet::parse(flags)}; }

  FakeServer server;
  Listener mine;
  Listener others;
};

TEST_F(FakeServerChanges, AMoveGivesCopyuidAndIsSeenByEveryone) {
  auto session = open(mine);
  auto reader = open(others, "INBOX", false);
  Listener archived;
  auto archive = open(archived, "Archive", false);
  const auto moved = session->move(set(2, 9), "Archive", {});
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->uid_validity, server.mailbox("Archive").uid_validity);
  EXPECT_EQ(moved->uids, (Pairs{{Uid{2}, Uid{1}}, {Uid{3}, Uid{2}}}));
  EXPECT_EQ(mine.take(), News{"VANISHED 2:3"});
  ASSERT_TRUE(reader->noop({}));
  EXPECT_EQ(others.take(), News{"VANISHED 2:3"});
  ASSERT_TRUE(archive->noop({}));
  EXPECT_EQ(archived.take(), News{"EXISTS 2"});
  EXPECT_EQ(server.commands(), News{"UID MOVE 2:9 Archive"});
  EXPECT_EQ(server.count("MOVE"), 1u);
}

TEST_F(FakeServerChanges, ACopyKeepsFlagsDateAndSource) {
  server.set_flags("INBOX", Uid{1}, FlagSet::parse("\\Seen $Work"));
  auto session = open(mine);
  ASSERT_TRUE(session->copy(set(1, 1), "Archive", {}));
  EXPECT_EQ(server.flags("Archive", Uid{1}), FlagSet::parse("\\Seen $Work"));
  EXPECT_EQ(server.mailbox("Archive").messages.at(Uid{1}).internal_date, 1'700'000'000);
  EXPECT_EQ(server.uids("INBOX").size(), 3u);
}

TEST_F(FakeServerChanges, WithoutUidplusNothingIsSaidOfUidsAndExpungeIsRefused) {
  server.set_capability("UIDPLUS", false);
  server.set_capability("MOVE", false);
  auto session = open(mine);
  const auto copied = session->copy(set(1, 1), "Archive", {});
  ASSERT_TRUE(copied);
  EXPECT_FALSE(copied->uid_validity);
  EXPECT_TRUE(copied->uids.empty());
  EXPECT_EQ(session->move(set(1, 1), "Archive", {}).error().errnum, EOPNOTSUPP);
  EXPECT_EQ(session->expunge(set(1, 1), {}).error().errnum, EOPNOTSUPP);
  EXPECT_EQ(server.count("EXPUNGE") + server.count("MOVE"), 0u);
}

TEST_F(FakeServerChanges, AStoreIsSilentForItsSessionOnly) {
  auto session = open(mine);
  auto reader = open(others, "INBOX", false);
  ASSERT_TRUE(session->store_flags(set(1, 1), adding("\\Seen \\Deleted"), {}));
  ASSERT_TRUE(session->store_flags(set(1, 1), {FlagChange::Kind::remove, FlagSet::parse("\\Seen")}, {}));
  EXPECT_EQ(mine.take(), (News{"FETCH 1 MODSEQ", "FETCH 1 MODSEQ"}));
  ASSERT_TRUE(reader->noop({}));
  EXPECT_EQ(others.take(), (News{"FETCH 1 (\\Deleted \\Seen)", "FETCH 1 (\\Deleted)"}));
  EXPECT_EQ(server.commands().front(), "UID STORE 1 +FLAGS.SILENT (\\Deleted \\Seen)");
}

TEST_F(FakeServerChanges, ExpungeTakesOnlyWhatIsNamedAndDeleted) {
  server.set_flags("INBOX", Uid{1}, FlagSet::parse("\\Deleted"));
  server.set_flags("INBOX", Uid{2}, FlagSet::parse("\\Deleted"));
  auto session = open(mine);
  ASSERT_TRUE(session->expunge(set(2, 3), {}));
  EXPECT_EQ(server.uids("INBOX"), (std::vector{Uid{1}, Uid{3}}));
}

TEST_F(FakeServerChanges, AnAppendIsStoredWithFlagsAndDate) {
  auto session = open(mine);
  Text text("Subject: new\r\n\r\nHello\r\n");
  const auto appended = session->append({"INBOX", FlagSet::parse("\\Seen \\Recent"), 1234}, text, {});
  ASSERT_TRUE(appended);
  EXPECT_EQ(appended->uid, Uid{4});
  const auto message = server.mailbox("INBOX").messages.at(Uid{4});
  EXPECT_EQ(*message.body, "Subject: new\r\n\r\nHello\r\n");
  EXPECT_EQ(message.internal_date, 1234);
  EXPECT_EQ(message.flags, FlagSet::parse("\\Seen"));
  EXPECT_EQ(mine.take(), News{"EXISTS 4"});
}

TEST_F(FakeServerChanges, AnAppendThatCannotBeReadLosesTheConnection) {
  auto session = open(mine);
  Text text("Subject: new\r\n\r\n", true);
  const auto error = session->append({"INBOX", {}, {}}, text, {}).error();
  EXPECT_EQ(error.scope, Scope::session);
  EXPECT_EQ(error.retry, Retry::later);
  EXPECT_EQ(server.uids("INBOX").size(), 3u);
  EXPECT_FALSE(session->noop({}));
}

TEST_F(FakeServerChanges, LimitsAndMissingMailboxesRefuseAnAppend) {
  server.set_capability("APPENDLIMIT=20", true);
  auto session = open(mine);
  Text large(std::string(21, 'x'));
  EXPECT_EQ(session->append({"INBOX", {}, {}}, large, {}).error().errnum, EFBIG);
  EXPECT_EQ(server.count("APPEND"), 0u);
  Text small("Subject: x\r\n\r\n");
  EXPECT_EQ(session->append({"Nowhere", {}, {}}, small, {}).error().errnum, ENOENT);
  server.fail_next("APPEND", Error{EDQUOT, Scope::request, Retry::never, "[OVERQUOTA]"});
  EXPECT_EQ(session->append({"INBOX", {}, {}}, small, {}).error().errnum, EDQUOT);
  EXPECT_TRUE(session->noop({}));
}

TEST_F(FakeServerChanges, AConnectionLostBeforeOrAfterTheEffectLooksTheSame) {
  for (const std::size_t carried_out : {0u, 1u, 2u}) {
    auto session = open(mine);
    server.lose_after("MOVE", carried_out);
    const auto before = server.uids("INBOX");
    const auto moved = session->move(UidSet::of(before), "Archive", {});
    ASSERT_FALSE(moved);
    EXPECT_EQ(moved.error().scope, Scope::session);
    EXPECT_EQ(moved.error().retry, Retry::later);
    EXPECT_EQ(server.uids("INBOX").size(), before.size() - carried_out);
    EXPECT_FALSE(session->noop({}));
  }
  auto session = open(mine);
  server.lose_after("CREATE");
  EXPECT_EQ(session->create_mailbox("New", {}).error().retry, Retry::later);
  EXPECT_TRUE(server.has_mailbox("New"));
}

TEST_F(FakeServerChanges, WhatWasSelectedReadOnlyCannotBeChanged) {
  auto reader = open(others, "INBOX", false);
  EXPECT_TRUE(reader->selection().permanent_flags.to_string().empty());
  EXPECT_EQ(reader->store_flags(set(1, 1), adding("\\Seen"), {}).error().errnum, EROFS);
  server.set_read_only("INBOX", true);
  auto session = open(mine);
  EXPECT_TRUE(session->selection().read_only);
  EXPECT_EQ(session->expunge(set(1, 1), {}).error().errnum, EROFS);
  EXPECT_EQ(session->move(set(1, 1), "Archive", {}).error().errnum, EROFS);
  EXPECT_TRUE(server.commands().empty());
}

TEST_F(FakeServerChanges, FlagsOutsidePermanentflagsAreNotSent) {
  server.set_permanent_flags("INBOX", FlagSet::parse("\\Seen $Known"), false);
  auto session = open(mine);
  EXPECT_EQ(session->store_flags(set(1, 1), adding("\\Flagged"), {}).error().errnum, EPERM);
  EXPECT_EQ(session->store_flags(set(1, 1), adding("$Unknown"), {}).error().errnum, EPERM);
  EXPECT_TRUE(session->store_flags(set(1, 1), adding("\\Seen $known"), {}));
  EXPECT_EQ(server.count("STORE"), 1u);
}

TEST_F(FakeServerChanges, RightsAreToldAndKept) {
  auto without = open(mine);
  EXPECT_EQ(*without->my_rights("INBOX", {}), std::nullopt);
  server.set_capability("ACL", true);
  server.set_rights("INBOX", "lrs");
  auto session = open(mine);
  EXPECT_EQ(*session->my_rights("INBOX", {}), "lrs");
  EXPECT_TRUE(session->store_flags(set(1, 1), adding("\\Seen"), {}));
  EXPECT_EQ(session->store_flags(set(1, 1), adding("\\Deleted"), {}).error().errnum, EACCES);
  EXPECT_EQ(session->move(set(1, 1), "Archive", {}).error().errnum, EACCES);
  EXPECT_TRUE(session->copy(set(1, 1), "Archive", {}));
}

TEST_F(FakeServerChanges, ARenamedMailboxTakesItsChildrenAlong) {
  server.create_mailbox("Archive/2026");
  server.create_mailbox("Archives");
  auto session = open(mine);
  const auto validity = server.mailbox("Archive").uid_validity;
  ASSERT_TRUE(session->rename_mailbox("Archive", "Old/Archive", {}));
  EXPECT_EQ(server.mailbox("Old/Archive").uid_validity, validity);
  EXPECT_TRUE(server.has_mailbox("Old/Archive/2026"));
  EXPECT_TRUE(server.has_mailbox("Archives"));
  EXPECT_FALSE(server.mailbox("Old").selectable);
  EXPECT_FALSE(server.has_mailbox("Archive"));
  EXPECT_EQ(session->rename_mailbox("Archives", "INBOX", {}).error().errnum, EEXIST);
}

TEST_F(FakeServerChanges, AMailboxWithChildrenLosesItsMessagesOnly) {
  server.create_mailbox("Archive/2026");
  auto session = open(mine);
  ASSERT_TRUE(session->delete_mailbox("Archive", {}));
  EXPECT_FALSE(server.mailbox("Archive").selectable);
  EXPECT_EQ(session->delete_mailbox("Archive", {}).error().errnum, ENOTEMPTY);
  EXPECT_EQ(session->delete_mailbox("INBOX", {}).error().errnum, EPERM);
  ASSERT_TRUE(session->delete_mailbox("Archive/2026", {}));
  EXPECT_FALSE(server.has_mailbox("Archive/2026"));
}

TEST_F(FakeServerChanges, ACreatedMailboxIsSubscribedOnRequest) {
  auto session = open(mine);
  ASSERT_TRUE(session->notify_personal({}));
  ASSERT_TRUE(session->create_mailbox("Entw&APw-rfe", {}));
  EXPECT_EQ(mine.take(), News{"LIST"});
  EXPECT_EQ(server.mailbox("Entw&APw-rfe").name, "Entwürfe");
  EXPECT_FALSE(server.mailbox("Entw&APw-rfe").subscribed);
  ASSERT_TRUE(session->subscribe("Entw&APw-rfe", true, {}));
  EXPECT_TRUE(server.mailbox("Entw&APw-rfe").subscribed);
  EXPECT_EQ(session->create_mailbox("INBOX", {}).error().errnum, EEXIST);
}

}  // namespace
}  // namespace imapfs::testing
