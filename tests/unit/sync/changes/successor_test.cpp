// Servers that say OK and have not done it: nothing is removed before what takes its place is seen.

#include <gtest/gtest.h>

#include <array>
#include <atomic>

#include "changes_test_support.hpp"

namespace imapfs::sync {
namespace {

const std::string old_text = "Subject: old\n\nHello.\n";
const std::string new_text = "Subject: new\n\nHello, with more to say.\n";
/// Of the same length as the old one.
const std::string respelled = "Subject: new\n\nHallo.\n";

std::string with_crlf(const std::string& text) {
  std::string converted;
  for (const char octet : text) converted += octet == '\n' ? std::string("\r\n") : std::string(1, octet);
  return converted;
}

/// What the server says of an APPEND, after it has taken the octets and done what a test wants.
using Word = std::function<imap::AppendedMessage(const std::string& octets)>;

class Successor : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!GetParam()) f.server.set_capability("UIDPLUS", false);
    f.mount();
    f.list("Archive");
    ASSERT_TRUE(f.upload(f.stage("Archive", old_text, "name.eml")));
  }
  /// An upload of `text` in the place of the first message, with a server that does what `word` does instead of APPEND.
  Result<Arrival> replace(const std::string& text, const Word& word) {
    f.lies->append = [word](imap::Session&, const imap::AppendRequest&, imap::AppendSource& source,
                            const CallContext&) -> Result<imap::AppendedMessage> {
      std::string octets(source.size(), '\0');
      std::size_t length = 0;
      while (const auto got = IMAPFS_TRY(source.read(std::span(octets).subspan(length)))) length += got;
      return word(octets);
    };
    auto upload = f.stage("Archive", text, "name.eml");
    upload.target.replaces = f.at("Archive", 1);
    auto arrival = f.upload(upload);
    f.lies->append = nullptr;
    EXPECT_TRUE(f.drain());
    return arrival;
  }
  /// APPENDUID, where the server has it.
  [[nodiscard]] imap::AppendedMessage told(std::uint32_t uid) const {
    if (!GetParam()) return {};
    return {f.server.mailbox("Archive").uid_validity, Uid{uid}};
  }
  void expect_untouched(const Result<Arrival>& arrival, const Subjects& on_server = {"old"}) {
    ASSERT_FALSE(arrival);
    EXPECT_EQ(arrival.error().errnum, EIO) << arrival.error().what;
    EXPECT_EQ(arrival.error().retry, Retry::never);
    EXPECT_EQ(f.messages("Archive"), on_server);
    EXPECT_TRUE(f.listed("Archive").contains("name.eml"));
    EXPECT_EQ(f.journal->staged()->size(), 1u);
  }
  ChangesFixture f;
};

INSTANTIATE_TEST_SUITE_P(WithAndWithoutUidplus, Successor, ::testing::Bool(),
                         [](const auto& uidplus) { return uidplus.param ? "Uidplus" : "Bare"; });

TEST_P(Successor, OfAServerThatTellsTheUidOfTheOldMessageIsNotSeen) {
  expect_untouched(replace(new_text, [&](const std::string&) { return told(1); }));
}

TEST_P(Successor, OfAServerThatKeepsNothingIsNotSeen) {
  expect_untouched(replace(new_text, [](const std::string&) { return imap::AppendedMessage{}; }));
}

TEST_P(Successor, OfAServerThatTellsAUidOfNowhereIsNotSeen) {
  expect_untouched(replace(new_text, [&](const std::string&) { return told(4000); }));
}

TEST_P(Successor, OfAServerThatKeepsTheOldTextUnderANewUidIsNotSeen) {
  for (const auto& text : {new_text, respelled}) {
    expect_untouched(replace(text,
                             [&](const std::string&) {
                               f.server.deliver("Archive", with_crlf(old_text), std::time(nullptr));
                               return told(f.server.uids("Archive").back().value);
                             }),
                     text == new_text ? Subjects{"old", "old"} : Subjects{"old", "old", "old"});
    const auto staged = f.journal->staged().value();
    for (const auto& file : staged) ASSERT_TRUE(f.journal->unstage(file.id));
  }
}

TEST_P(Successor, ThatCannotBeSeenForAnotherUidIsFoundByItsText) {
  const auto arrival = replace(respelled, [&](const std::string& octets) {
    f.server.deliver("Archive", octets);
    return told(1);
  });
  ASSERT_TRUE(arrival) << arrival.error().what;
  EXPECT_EQ(arrival->message.uid, Uid{2});
  EXPECT_EQ(f.messages("Archive"), (Subjects{"new", "old!"}));
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"name.eml"});
}

TEST_P(Successor, OfTheSameLengthIsSeenByItsText) {
  const auto arrival = replace(respelled, [&](const std::string& octets) {
    return told(f.server.deliver("Archive", octets, std::time(nullptr)).value);
  });
  ASSERT_TRUE(arrival) << arrival.error().what;
  EXPECT_EQ(f.messages("Archive"), (Subjects{"new", "old!"}));
}

TEST_P(Successor, ThatHasALineEndMoreThanWasSentIsSeen) {
  const auto arrival = replace("Subject: new\n\nNo end", [&](const std::string& octets) {
    return told(f.server.deliver("Archive", octets + "\r\n").value);
  });
  ASSERT_TRUE(arrival) << arrival.error().what;
  EXPECT_EQ(f.messages("Archive"), (Subjects{"new", "old!"}));
}

TEST_P(Successor, ThatComesAMomentLaterIsSeen) {
  const auto arrival = replace(new_text, [&](const std::string& octets) {
    f.lies->bend_selected = [&, octets, looks = std::make_shared<int>(0)](imap::SelectedMailbox&) {
      if (++*looks == 2) f.server.deliver("Archive", octets);
    };
    return imap::AppendedMessage{};
  });
  f.lies->bend_selected = nullptr;
  ASSERT_TRUE(arrival) << arrival.error().what;
  EXPECT_EQ(f.messages("Archive"), (Subjects{"new", "old!"}));
}

TEST_P(Successor, ThatComesAfterItsUploadHasFailedIsFoundByTheNextAttempt) {
  std::string sent;
  expect_untouched(replace(new_text, [&](const std::string& octets) {
    sent = octets;
    return imap::AppendedMessage{};
  }));
  f.server.deliver("Archive", sent);
  auto upload = f.stage("Archive", new_text, "name.eml");
  ASSERT_TRUE(f.journal->unstage(upload.staged));
  upload.staged = f.journal->staged()->front().id;
  upload.target.replaces = f.at("Archive", 1);
  const auto arrival = f.upload(upload);
  ASSERT_TRUE(arrival) << arrival.error().what;
  EXPECT_EQ(arrival->message.uid, Uid{2});
  ASSERT_TRUE(f.drain());
  EXPECT_EQ(f.messages("Archive"), (Subjects{"new", "old!"}));
}

/// Exchange and others write messages anew.
TEST(SuccessorOnAServerThatChangesMessages, IsKnownByItsMessageIdUnlessItIsTheOldText) {
  ChangesFixture f;
  f.server.set_quirks({imap::Quirk::wrong_sizes});
  f.mount();
  f.list("Archive");
  const std::string id = "Message-ID: <upload@example.org>\n\n";
  ASSERT_TRUE(f.upload(f.stage("Archive", "Subject: old\n" + id, "name.eml")));
  const auto replace = [&](const std::string& kept) {
    f.lies->append = [&f, kept](imap::Session&, const imap::AppendRequest& request, imap::AppendSource& source,
                                const CallContext&) -> Result<imap::AppendedMessage> {
      std::string octets(source.size(), '\0');
      while (IMAPFS_TRY(source.read(octets)) > 0) continue;
      const auto uid = f.server.deliver("Archive", with_crlf(kept), request.internal_date.value_or(0));
      return imap::AppendedMessage{f.server.mailbox("Archive").uid_validity, uid};
    };
    auto upload = f.stage("Archive", "Subject: new\n" + id + "More.\n", "name.eml");
    upload.internal_date = 1'600'000'000;
    upload.target.replaces = f.at("Archive", 1);
    auto arrival = f.upload(upload);
    EXPECT_TRUE(f.drain());
    return arrival;
  };
  EXPECT_FALSE(replace("Subject: old\n" + id));
  EXPECT_EQ(f.messages("Archive"), (Subjects{"old", "old"}));
  EXPECT_TRUE(replace("Subject: new\nX-Seen-By: the server\n" + id + "More.\n"));
  EXPECT_EQ(f.messages("Archive"), (Subjects{"new", "old", "old!"}));
}

TEST(NewMessage, ThatTheServerSaysItHasAndDoesNotShowStays) {
  ChangesFixture f;
  f.mount();
  f.list("Archive");
  f.lies->append = [](imap::Session&, const imap::AppendRequest&, imap::AppendSource&,
                      const CallContext&) -> Result<imap::AppendedMessage> { return imap::AppendedMessage{}; };
  const auto arrival = f.upload(f.stage("Archive", new_text));
  ASSERT_FALSE(arrival);
  EXPECT_EQ(arrival.error().errnum, EIO);
  EXPECT_EQ(arrival.error().retry, Retry::never);
  EXPECT_EQ(f.journal->staged()->size(), 1u);
  EXPECT_TRUE(f.listed("Archive").empty());
}

// -- COPY and MOVE --

enum class Skill { move, copy, bare_move, bare };

class SuccessorByCopy : public ::testing::TestWithParam<Skill> {
 protected:
  void SetUp() override {
    if (GetParam() == Skill::copy || GetParam() == Skill::bare) f.server.set_capability("MOVE", false);
    if (GetParam() == Skill::bare_move || GetParam() == Skill::bare) f.server.set_capability("UIDPLUS", false);
    for (const auto* subject : {"a", "b", "c"}) f.server.deliver("INBOX", mail(subject));
    f.server.deliver("Archive", mail("there"));
    f.mount();
    f.list("INBOX");
    f.list("Archive");
  }
  using Word = std::function<std::vector<std::pair<Uid, Uid>>(const UidSet& uids)>;
  /// The server's COPYUID, in place of what it should do.
  void answer(const Word& word) {
    const bool tells = GetParam() == Skill::move || GetParam() == Skill::copy;
    const auto validity = f.server.mailbox("Archive").uid_validity;
    f.lies->bring = [word, tells, validity](imap::Session&, const UidSet& uids, const imap::WireName&,
                                            const CallContext&) -> Result<imap::CopiedMessages> {
      auto pairs = word(uids);
      if (!tells || pairs.empty()) return imap::CopiedMessages{};
      return imap::CopiedMessages{validity, std::move(pairs)};
    };
  }
  void expect_nothing_moved() {
    std::vector<Progress> moves;
    for (std::uint32_t uid = 1; uid <= 3; ++uid)
      moves.push_back(f.move(f.source("INBOX", uid), f.target("Archive", std::to_string(uid) + ".eml")));
    for (const auto& move : moves) {
      const auto finished = move.finished();
      ASSERT_FALSE(finished);
      EXPECT_EQ(finished.error().errnum, EIO) << finished.error().what;
    }
    ASSERT_TRUE(f.wait_until_done());
    EXPECT_EQ(f.messages("INBOX"), (Subjects{"a", "b", "c"}));
    EXPECT_EQ(f.messages("Archive"), Subjects{"there"});
    EXPECT_EQ(f.listed_count("INBOX"), 3u);
    EXPECT_EQ(f.listed_count("Archive"), 1u);
    EXPECT_EQ(f.server.count("STORE") + f.server.count("EXPUNGE"), 0u);
    EXPECT_TRUE(f.journal->changes()->empty());
  }
  ChangesFixture f;
};

std::string skill_name(const ::testing::TestParamInfo<Skill>& skill) {
  static constexpr std::array names = {"Move", "Copy", "BareMove", "Bare"};
  return names.at(skill.index);
}
const auto all_skills = ::testing::Values(Skill::move, Skill::copy, Skill::bare_move, Skill::bare);
INSTANTIATE_TEST_SUITE_P(Servers, SuccessorByCopy, all_skills, skill_name);

TEST_P(SuccessorByCopy, OfAServerThatDoesNothingIsNotSeenAndTheSourceStays) {
  answer([](const UidSet&) { return std::vector<std::pair<Uid, Uid>>(); });
  expect_nothing_moved();
}

TEST_P(SuccessorByCopy, OfAServerThatTellsUidsOfNowhereIsNotSeen) {
  answer([](const UidSet& uids) {
    std::vector<std::pair<Uid, Uid>> pairs;
    for (const auto& range : uids.ranges())
      for (auto uid = range.first; uid <= range.last; ++uid) pairs.emplace_back(Uid{uid}, Uid{uid + 4000});
    return pairs;
  });
  expect_nothing_moved();
}

TEST_P(SuccessorByCopy, OfAServerThatTellsUidsOfBeforeIsNotSeen) {
  answer([](const UidSet&) { return std::vector{std::pair(Uid{1}, Uid{1})}; });
  expect_nothing_moved();
}

TEST_P(SuccessorByCopy, OfAServerThatCopiesOneOfThreeIsSeenOfThatOne) {
  f.lies->bring = [](imap::Session& honest, const UidSet&, const imap::WireName& destination,
                     const CallContext& context) {
    return honest.traits().has("MOVE") ? honest.move(UidSet::single(Uid{2}), destination, context)
                                       : honest.copy(UidSet::single(Uid{2}), destination, context);
  };
  f.server.hold("STATUS");
  std::vector<Progress> moves;
  for (std::uint32_t uid = 1; uid <= 3; ++uid)
    moves.push_back(f.move(f.source("INBOX", uid), f.target("Archive", std::to_string(uid) + ".eml")));
  for (const auto& move : moves) ASSERT_TRUE(move.accepted());
  f.server.release("STATUS");
  EXPECT_FALSE(moves[0].finished());
  EXPECT_TRUE(moves[1].finished());
  EXPECT_FALSE(moves[2].finished());
  ASSERT_TRUE(f.wait_until_done());
  EXPECT_EQ(f.messages("Archive"), (Subjects{"b", "there"}));
  EXPECT_EQ(f.listed_count("INBOX"), 2u);
  auto left = f.messages("INBOX");
  left.erase("b!");
  EXPECT_EQ(left, (Subjects{"a", "c"}));
}

TEST_P(SuccessorByCopy, OfACopyThatWasNotMadeIsNotSeen) {
  answer([](const UidSet&) { return std::vector<std::pair<Uid, Uid>>(); });
  const auto finished = f.copy(f.source("INBOX", 1), f.target("Archive", "copy.eml")).finished();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().errnum, EIO) << finished.error().what;
  EXPECT_EQ(f.listed_count("Archive"), 1u);
}

/// What a connection that has read a mad answer says, again and again.
TEST_P(SuccessorByCopy, OfAServerWhoseAnswersMakeNoSenseIsGivenUp) {
  std::atomic<unsigned> sent{0};
  f.lies->bring = [&](imap::Session&, const UidSet&, const imap::WireName&,
                      const CallContext&) -> Result<imap::CopiedMessages> {
    ++sent;
    return fail(EIO, Scope::session, Retry::later, "protocol error: response line longer than 1048576 octets");
  };
  expect_nothing_moved();
  EXPECT_LE(sent, 9u);
}

TEST(Flags, OfAServerWhoseAnswersMakeNoSenseAreGivenUp) {
  ChangesFixture f;
  f.server.deliver("INBOX", mail("a"));
  f.mount();
  f.list("INBOX");
  std::atomic<unsigned> sent{0};
  f.lies->store = [&](imap::Session&, const UidSet&, const CallContext&) -> Result<void> {
    ++sent;
    return fail(EIO, Scope::session, Retry::later, "protocol error: more news than there can be of the mailbox");
  };
  const auto finished = f.remove(f.source("INBOX", 1)).finished();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().errnum, EIO);
  EXPECT_EQ(f.listed_count("INBOX"), 1u);
  EXPECT_LE(sent, 3u);
}

// -- views --

/// Courier refuses an APPEND to what the connection has opened by EXAMINE.
bool examined(const imap::Session& session, const imap::WireName& mailbox) {
  return session.selected() == mailbox && session.selection().read_only;
}

Error read_only_view() {
  return {EROFS, Scope::mailbox, Retry::never, "APPEND: server answered NO Current box is selected READ-ONLY"};
}

TEST(UploadBesideAView, ThatIsReadOnlyIsTakenAllTheSame) {
  ChangesFixture f;
  f.settings.connections = 1;
  f.lies->append = [](imap::Session& honest, const imap::AppendRequest& request, imap::AppendSource& source,
                      const CallContext& context) -> Result<imap::AppendedMessage> {
    if (examined(honest, request.mailbox)) return fail(read_only_view());
    return honest.append(request, source, context);
  };
  f.mount();
  f.list("Archive");
  for (const auto* name : {"one.eml", "two.eml"}) {
    const auto arrival = f.upload(f.stage("Archive", new_text, name));
    ASSERT_TRUE(arrival) << arrival.error().what;
    f.list("Archive");
  }
  EXPECT_EQ(f.listed("Archive"), (std::set<std::string>{"one.eml", "two.eml"}));
}

TEST(UploadBesideAView, OfAnyKindIsTriedWithoutOneBeforeAnybodyHearsOfIt) {
  ChangesFixture f;
  f.lies->append = [](imap::Session& honest, const imap::AppendRequest& request, imap::AppendSource& source,
                      const CallContext& context) -> Result<imap::AppendedMessage> {
    if (!honest.selected().empty()) return fail(read_only_view());
    return honest.append(request, source, context);
  };
  f.mount();
  f.list("Archive");
  const auto arrival = f.upload(f.stage("Archive", new_text, "one.eml"));
  ASSERT_TRUE(arrival) << arrival.error().what;
  EXPECT_EQ(f.messages("Archive"), Subjects{"new"});
}

TEST(UploadBesideAView, ToWhatIsReadOnlyIsRefused) {
  ChangesFixture f;
  f.mount();
  f.server.set_read_only("Archive", true);
  const auto arrival = f.upload(f.stage("Archive", new_text));
  ASSERT_FALSE(arrival);
  EXPECT_EQ(arrival.error().errnum, EROFS);
}

// -- UIDs that stand for other messages --

class MovedUids : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 1; i <= 20; ++i)
      f.server.deliver("INBOX", mail("m" + std::string(static_cast<std::size_t>(i), 'x')), 1'700'000'000 + i);
    f.mount();
    f.list("INBOX");
  }
  /// The first message goes and all others move up, as when a mailbox is rebuilt without a word.
  void move_up() {
    f.server.edit_mailbox("INBOX", [](testing::FakeMailbox& inbox) {
      std::map<Uid, testing::FakeMessage> moved;
      for (auto& [uid, message] : inbox.messages) {
        if (uid == Uid{1}) continue;
        message.uid = Uid{uid.value - 1};
        moved.emplace(message.uid, message);
      }
      inbox.messages = std::move(moved);
    });
  }
  void expect_refused(const Progress& change) {
    const auto finished = change.finished();
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().errnum, ESTALE) << finished.error().what;
  }
  ChangesFixture f;
};

TEST_F(MovedUids, AreNoticedBeforeAMoveAndTheMailboxIsListedAnew) {
  move_up();
  const auto before = f.messages("INBOX");
  expect_refused(f.move(f.source("INBOX", 5), f.target("Archive", "five.eml")));
  EXPECT_EQ(f.messages("INBOX"), before);
  EXPECT_TRUE(f.messages("Archive").empty());
  ASSERT_TRUE(f.listener.wait([&] { return f.table("INBOX")->complete() && f.listed_count("INBOX") == 19; }));
  EXPECT_TRUE(f.listener.saw_everything());
  // By then the row is the message's.
  EXPECT_TRUE(f.move(f.source("INBOX", 5), f.target("Archive", "five.eml")).finished());
  EXPECT_EQ(f.messages("Archive"), Subjects{"mxxxxxx"});
}

TEST_F(MovedUids, AreNoticedBeforeAnExpunge) {
  move_up();
  const auto before = f.messages("INBOX");
  expect_refused(f.expunge(f.source("INBOX", 5)));
  EXPECT_EQ(f.messages("INBOX"), before);
}

TEST_F(MovedUids, AreNoticedBeforeARemovalWhereTheViewIsRenewedAnyway) {
  // The session has the mailbox open for changes.
  ASSERT_TRUE(f.remove(f.source("INBOX", 20)).finished());
  move_up();
  const auto before = f.messages("INBOX");
  expect_refused(f.remove(f.source("INBOX", 5)));
  EXPECT_EQ(f.messages("INBOX"), before);
}

TEST_F(MovedUids, AreNoticedByAllThatWasAcceptedBefore) {
  f.server.hold("FETCH flags");
  f.server.hold("FETCH headers");
  move_up();
  const auto before = f.messages("INBOX");
  const auto move = f.move(f.source("INBOX", 5), f.target("Archive", "five.eml"));
  ASSERT_TRUE(move.accepted());
  const auto expunge = f.expunge(f.source("INBOX", 6));
  ASSERT_TRUE(expunge.accepted());
  f.server.release("FETCH flags");
  f.server.release("FETCH headers");
  expect_refused(move);
  expect_refused(expunge);
  EXPECT_EQ(f.messages("INBOX"), before);
}

TEST(CorrectedSizes, AreNoSignOfMovedUids) {
  ChangesFixture f;
  const auto uid = f.server.deliver("INBOX", mail("a"));
  f.server.lie_about_size("INBOX", uid, 3);
  f.mount();
  f.list("INBOX");
  ASSERT_TRUE(await<std::shared_ptr<Body>>(
      [&](Completion<std::shared_ptr<Body>> done) { f.account->bodies().open(f.id("INBOX"), uid, std::move(done)); }));
  ASSERT_TRUE(f.listener.wait([&] { return f.table("INBOX")->find(uid)->size_is_exact; }));
  EXPECT_TRUE(f.move(f.source("INBOX", uid.value), f.target("Archive", "a.eml")).finished());
  EXPECT_EQ(f.messages("Archive"), Subjects{"a"});
}

}  // namespace
}  // namespace imapfs::sync
