// The changing commands of imap::Session against a real Dovecot, and what another client finds afterwards.
#include <gtest/gtest.h>

#include <algorithm>

#include "imapfs/imap/session.hpp"
#include "imapfs/mime/header_decode.hpp"
#include "support/dovecot.hpp"

namespace imapfs::imap {
namespace {

using namespace std::chrono_literals;
using testing::Dovecot;
using testing::sample_message;

class TextSource final : public AppendSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  [[nodiscard]] std::uint64_t size() const override { return text_.size(); }
  Result<std::size_t> read(std::span<char> buffer) override {
    const auto count = std::min(buffer.size(), text_.size() - given_);
    std::copy_n(text_.begin() + static_cast<std::ptrdiff_t>(given_), count, buffer.begin());
    given_ += count;
    return count;
  }

 private:
  std::string text_;
  std::size_t given_ = 0;
};

class VanishedListener final : public UntaggedListener {
 public:
  void on_exists(std::uint32_t) override {}
  void on_expunge() override {}
  void on_vanished(const UidSet& uids) override {
    for (const auto& range : uids.ranges()) vanished.add(Uid{range.first}, Uid{range.last});
  }
  void on_fetch(const FetchRow&) override {}
  void on_status(const WireName&, const MailboxStatus&) override {}
  void on_mailbox_list_changed() override {}
  UidSet vanished;
};

CallContext within() { return CallContext::within(20s); }

template <class T>
int errno_of(const Result<T>& outcome) {
  return outcome ? 0 : outcome.error().errnum;
}

class ChangesOnDovecot : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    mime::initialise_mime();
    server_ = new Dovecot({"--quota=4M", "--acl"});
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override {
    // Mailboxes of its own for each test.
    mailbox_ = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    other_ = mailbox_ + "Other";
    server_->doveadm("mailbox create -u anna -s " + mailbox_ + " " + other_);
    session_ = opened(server_->account_settings());
    ASSERT_NE(session_, nullptr);
    session_->set_listener(&listener_);
  }
  static std::unique_ptr<Session> opened(const AccountSettings& settings) {
    auto session = open_session(settings, within());
    EXPECT_TRUE(session) << (session ? "" : session.error().what);
    return session ? std::move(*session) : nullptr;
  }
  SelectedMailbox select() {
    Session::SelectRequest request;
    request.mailbox = mailbox_;
    request.read_write = true;
    auto selected = session_->select(request, within());
    EXPECT_TRUE(selected) << (selected ? "" : selected.error().what);
    return selected ? *selected : SelectedMailbox{};
  }
  /// That many messages with the UIDs from 1 on, selected.
  void fill(int count) {
    for (int number = 1; number <= count; ++number) {
      server_->deliver(mailbox_, sample_message("number " + std::to_string(number)));
    }
    select();
  }
  Result<AppendedMessage> append(const std::string& text, AppendRequest request = {}) {
    if (request.mailbox.empty()) request.mailbox = mailbox_;
    TextSource source(text);
    return session_->append(request, source, within());
  }
  /// UIDs and flags as another client sees them: "1:\Seen 2:".
  std::string seen_by_another(const std::string& mailbox) {
    auto text = server_->doveadm("-f tab fetch -u anna 'uid flags' mailbox " + mailbox);
    text.erase(0, text.find('\n') + 1);
    std::replace(text.begin(), text.end(), '\t', ':');
    std::replace(text.begin(), text.end(), '\n', ' ');
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return text;
  }
  bool exists(const std::string& mailbox) {
    const auto listed = session_->list("", within()).value();
    return std::any_of(listed.begin(), listed.end(), [&](const auto& row) { return row.name == mailbox; });
  }

  static Dovecot* server_;
  std::string mailbox_;
  std::string other_;
  VanishedListener listener_;
  std::unique_ptr<Session> session_;
};
Dovecot* ChangesOnDovecot::server_ = nullptr;

TEST_F(ChangesOnDovecot, AppendsExactOctetsWithFlagsAndDate) {
  AppendRequest request;
  request.flags = FlagSet::parse("\\Seen \\Flagged Invoice");
  request.internal_date = 1767604087;  // 2026-01-05 09:08:07 UTC
  const auto text = sample_message("appended", "a@example.org", std::string(300'000, 'z') + "\r\nend\r\n");
  ASSERT_TRUE(session_->traits().has("LITERAL+"));
  const auto selected = select();
  const auto appended = append(text, request);
  ASSERT_TRUE(appended) << appended.error().what;
  EXPECT_EQ(appended->uid, Uid{1});
  EXPECT_EQ(appended->uid_validity, selected.uid_validity);
  const auto found = server_->other_client("imap.select('" + mailbox_ +
                                           "')\n"
                                           "data = imap.fetch('1', '(FLAGS INTERNALDATE BODY.PEEK[])')[1][0]\n"
                                           "print(len(data[1]), data[1][-5:])\n"
                                           "import time; print(int(time.mktime(imaplib.Internaldate2tuple(data[0]))))");
  EXPECT_NE(found.find(std::to_string(text.size()) + " b'end\\r\\n'"), std::string::npos) << found;
  EXPECT_NE(found.find("1767604087"), std::string::npos) << found;
  const auto flags = seen_by_another(mailbox_);
  for (const auto* flag : {"\\Seen", "\\Flagged", "Invoice"}) EXPECT_NE(flags.find(flag), std::string::npos) << flags;
}

TEST_F(ChangesOnDovecot, AppendsWithoutLiteralPlusToo) {
  Dovecot lesser({"--capability=IMAP4rev1 UIDPLUS"});
  const auto session = opened(lesser.account_settings());
  ASSERT_NE(session, nullptr);
  AppendRequest request;
  request.mailbox = "INBOX";
  TextSource source(sample_message("synchronising"));
  const auto appended = session->append(request, source, within());
  ASSERT_TRUE(appended) << appended.error().what;
  EXPECT_EQ(appended->uid, Uid{1});
}

TEST_F(ChangesOnDovecot, AppendToAMailboxThatIsNotThereIsENOENTAndTheSessionGoesOn) {
  AppendRequest request;
  request.mailbox = "No/Such/Mailbox";
  const auto failed = append(sample_message("lost"), request);
  EXPECT_EQ(errno_of(failed), ENOENT);
  EXPECT_EQ(failed.error().scope, Scope::mailbox);
  EXPECT_TRUE(session_->noop(within()));
}

TEST_F(ChangesOnDovecot, AppendOverTheQuotaIsEDQUOTAndTheSessionGoesOn) {
  const auto failed = append(sample_message("large", "a@example.org", std::string(5'000'000, 'z') + "\r\n"));
  EXPECT_EQ(errno_of(failed), EDQUOT) << failed.error().what;
  EXPECT_TRUE(session_->noop(within()));
  EXPECT_EQ(seen_by_another(mailbox_), "");
}

TEST_F(ChangesOnDovecot, CopiesAndTellsTheNewUids) {
  fill(3);
  const auto copied = session_->copy(UidSet::of({Uid{1}, Uid{3}}), other_, within());
  ASSERT_TRUE(copied) << copied.error().what;
  EXPECT_TRUE(copied->uid_validity.has_value());
  EXPECT_EQ(copied->uids, (std::vector<std::pair<Uid, Uid>>{{Uid{1}, Uid{1}}, {Uid{3}, Uid{2}}}));
  EXPECT_EQ(seen_by_another(mailbox_), "1: 2: 3:");
  EXPECT_EQ(seen_by_another(other_), "1:\\Recent 2:\\Recent");
}

TEST_F(ChangesOnDovecot, CopiesWhatIsLeft) {
  fill(2);
  server_->doveadm("expunge -u anna mailbox " + mailbox_ + " uid 1");
  ASSERT_TRUE(session_->noop(within()));
  const auto copied = session_->copy(UidSet::range(Uid{1}, Uid{2}), other_, within());
  ASSERT_TRUE(copied) << copied.error().what;
  EXPECT_EQ(copied->uids, (std::vector<std::pair<Uid, Uid>>{{Uid{2}, Uid{1}}}));
}

TEST_F(ChangesOnDovecot, CopiesAMessageThatArrivedAfterTheMailboxWasSelected) {
  fill(1);
  server_->deliver(mailbox_, sample_message("late"));
  const auto copied = session_->copy(UidSet::single(Uid{2}), other_, within());
  ASSERT_TRUE(copied) << copied.error().what;
  EXPECT_EQ(copied->uids, (std::vector<std::pair<Uid, Uid>>{{Uid{2}, Uid{1}}}));
}

TEST_F(ChangesOnDovecot, CopyToAMailboxThatIsNotThereIsENOENT) {
  fill(1);
  const auto failed = session_->copy(UidSet::single(Uid{1}), "No/Such/Mailbox", within());
  EXPECT_EQ(errno_of(failed), ENOENT);
  EXPECT_EQ(failed.error().scope, Scope::mailbox);
}

TEST_F(ChangesOnDovecot, MovesAndTellsBothSides) {
  fill(3);
  const auto moved = session_->move(UidSet::range(Uid{2}, Uid{3}), other_, within());
  ASSERT_TRUE(moved) << moved.error().what;
  EXPECT_EQ(moved->uids, (std::vector<std::pair<Uid, Uid>>{{Uid{2}, Uid{1}}, {Uid{3}, Uid{2}}}));
  EXPECT_EQ(listener_.vanished.to_string(), "2:3");
  EXPECT_EQ(seen_by_another(mailbox_), "1:");
  EXPECT_EQ(seen_by_another(other_), "1:\\Recent 2:\\Recent");
}

TEST_F(ChangesOnDovecot, MovesALongSparseSetCompletely) {
  Dovecot large;
  large.deliver("INBOX", sample_message("one"));
  large.other_client(
      "for _ in range(12):\n    imap.select('INBOX')\n    assert imap.copy('1:*', 'INBOX')[0] == 'OK'\n");
  const auto session = opened(large.account_settings());
  ASSERT_NE(session, nullptr);
  Session::SelectRequest request;
  request.mailbox = "INBOX";
  request.read_write = true;
  ASSERT_EQ(session->select(request, within()).value().messages, 4096u);
  std::vector<Uid> odd;
  for (std::uint32_t uid = 1; uid <= 4096; uid += 2) odd.push_back(Uid{uid});
  const auto moved = session->move(UidSet::of(odd), "Trash", within());
  ASSERT_TRUE(moved) << moved.error().what;
  EXPECT_EQ(moved->uids.size(), 2048u);
  EXPECT_EQ(session->status("Trash", within()).value().messages, 2048u);
  std::vector<Uid> even;
  for (std::uint32_t uid = 2; uid <= 4096; uid += 2) even.push_back(Uid{uid});
  EXPECT_EQ(session->search("ALL", within()).value(), UidSet::of(even));
}

TEST_F(ChangesOnDovecot, StoresFlags) {
  fill(2);
  const auto both = UidSet::range(Uid{1}, Uid{2});
  ASSERT_TRUE(session_->store_flags(both, {FlagChange::Kind::add, FlagSet::parse("\\Seen Invoice")}, within()));
  ASSERT_TRUE(
      session_->store_flags(UidSet::single(Uid{1}), {FlagChange::Kind::remove, FlagSet::parse("Invoice")}, within()));
  ASSERT_TRUE(
      session_->store_flags(UidSet::single(Uid{2}), {FlagChange::Kind::replace, FlagSet::parse("\\Draft")}, within()));
  EXPECT_EQ(seen_by_another(mailbox_), "1:\\Seen 2:\\Draft");
}

TEST_F(ChangesOnDovecot, UidExpungeLeavesWhatOthersHaveFlagged) {
  fill(3);
  server_->doveadm("flags add -u anna '\\Deleted' mailbox " + mailbox_ + " uid 1");
  ASSERT_TRUE(session_->noop(within()));
  ASSERT_TRUE(
      session_->store_flags(UidSet::single(Uid{2}), {FlagChange::Kind::add, FlagSet::parse("\\Deleted")}, within()));
  const auto expunged = session_->expunge(UidSet::range(Uid{2}, Uid{3}), within());
  ASSERT_TRUE(expunged) << expunged.error().what;
  EXPECT_EQ(seen_by_another(mailbox_), "1:\\Deleted 3:") << "1 is another's, 3 is not \\Deleted";
  EXPECT_EQ(listener_.vanished.to_string(), "2");
}

TEST_F(ChangesOnDovecot, CreatesRenamesSubscribesAndDeletesMailboxes) {
  const auto name = mailbox_ + "/new one";
  const auto renamed = mailbox_ + "/renamed";
  ASSERT_TRUE(session_->create_mailbox(name, within()));
  ASSERT_TRUE(session_->subscribe(name, true, within()));
  const auto is_subscribed = [&](const std::string& wanted) {
    const auto listed = session_->list("", within()).value();
    return std::any_of(listed.begin(), listed.end(),
                       [&](const auto& row) { return row.name == wanted && row.subscribed; });
  };
  EXPECT_TRUE(is_subscribed(name));
  ASSERT_TRUE(session_->rename_mailbox(name, renamed, within()));
  EXPECT_FALSE(exists(name));
  EXPECT_TRUE(exists(renamed));
  ASSERT_TRUE(session_->subscribe(name, false, within()));
  EXPECT_FALSE(is_subscribed(name));
  ASSERT_TRUE(session_->delete_mailbox(renamed, within()));
  EXPECT_FALSE(exists(renamed));
}

TEST_F(ChangesOnDovecot, MailboxCommandsAreRefusedWithTheirErrno) {
  EXPECT_EQ(errno_of(session_->create_mailbox(mailbox_, within())), EEXIST);
  EXPECT_EQ(errno_of(session_->rename_mailbox(mailbox_, other_, within())), EEXIST);
  EXPECT_EQ(errno_of(session_->rename_mailbox("No/Such", "Any", within())), ENOENT);
  EXPECT_EQ(errno_of(session_->delete_mailbox("No/Such", within())), ENOENT);
  EXPECT_NE(errno_of(session_->delete_mailbox("INBOX", within())), 0);
  EXPECT_TRUE(session_->noop(within()));
}

TEST_F(ChangesOnDovecot, DeletesTheMailboxThatIsSelected) {
  fill(1);
  ASSERT_TRUE(session_->delete_mailbox(mailbox_, within()));
  EXPECT_EQ(session_->selected(), "");
  EXPECT_FALSE(exists(mailbox_));
}

TEST_F(ChangesOnDovecot, TellsRights) {
  const auto rights = session_->my_rights(mailbox_, within());
  ASSERT_TRUE(rights && *rights) << (rights ? "no rights" : rights.error().what);
  for (const char right : std::string("lrswipkxte")) EXPECT_NE((*rights)->find(right), std::string::npos) << **rights;
}

TEST_F(ChangesOnDovecot, WithoutTheRightsIsReadOnlyAndRefuses) {
  server_->deliver(mailbox_, sample_message("one"));
  server_->doveadm("acl set -u anna " + mailbox_ + " owner lookup read");
  EXPECT_EQ(session_->my_rights(mailbox_, within()).value(), "lr");
  EXPECT_TRUE(select().read_only);
  EXPECT_EQ(errno_of(session_->store_flags(UidSet::single(Uid{1}), {FlagChange::Kind::add, FlagSet::parse("\\Seen")},
                                           within())),
            EROFS);
  EXPECT_EQ(errno_of(session_->move(UidSet::single(Uid{1}), other_, within())), EROFS);
  EXPECT_EQ(errno_of(append(sample_message("two"))), EACCES);
  EXPECT_EQ(errno_of(session_->create_mailbox(mailbox_ + "/child", within())), EACCES);
  EXPECT_EQ(seen_by_another(mailbox_), "1:");
}

TEST_F(ChangesOnDovecot, AfterExamineNothingIsChanged) {
  fill(1);
  Session::SelectRequest request;
  request.mailbox = mailbox_;
  ASSERT_TRUE(session_->select(request, within()));
  EXPECT_TRUE(session_->selection().read_only);
  EXPECT_EQ(errno_of(session_->expunge(UidSet::single(Uid{1}), within())), EROFS);
  ASSERT_FALSE(select().read_only) << "selecting again for a change";
  EXPECT_TRUE(
      session_->store_flags(UidSet::single(Uid{1}), {FlagChange::Kind::add, FlagSet::parse("\\Seen")}, within()));
}

TEST_F(ChangesOnDovecot, SelectReadWriteTakesUpWithQresync) {
  fill(3);
  const auto before = session_->selection();
  session_ = opened(server_->account_settings());
  ASSERT_NE(session_, nullptr);
  server_->doveadm("expunge -u anna mailbox " + mailbox_ + " uid 2");
  Session::SelectRequest request;
  request.mailbox = mailbox_;
  request.read_write = true;
  request.qresync = QresyncState{*before.uid_validity, *before.highest_modseq};
  UidSet gone;
  request.vanished = [&](const UidSet& uids) { gone = uids; };
  request.rows = [](const FetchRow&) {};
  const auto selected = session_->select(request, within());
  ASSERT_TRUE(selected) << selected.error().what;
  EXPECT_TRUE(selected->qresync_applied);
  EXPECT_FALSE(selected->read_only);
  EXPECT_EQ(gone.to_string(), "2");
}

}  // namespace
}  // namespace imapfs::imap
