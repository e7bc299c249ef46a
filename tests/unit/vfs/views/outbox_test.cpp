// /.imapfs/outbox: what the server did not take.

#include "unit/vfs/staging/files_situation.hpp"

namespace imapfs::vfs {
namespace {

struct Refused : Files {
  Refused() {
    filesystem.open({}, fixed_node(FixedNode::events), O_RDONLY, events.reply());
    account.changes().fail_next(refused());
    EXPECT_EQ(cp("INBOX/new.eml", mail), EPERM);
    const auto listed = outbox();
    entry = listed.empty() ? "" : listed.front();
  }
  int rm_from_outbox(const std::string& base) {
    Answer<void> answer;
    filesystem.unlink({}, fixed_node(FixedNode::outbox), base, answer.reply());
    return answer.wait().error();
  }
  int mv_from_outbox(const std::string& base, const std::string& path) {
    Answer<void> answer;
    const auto [parent, new_name] = at(path);
    filesystem.rename({}, {fixed_node(FixedNode::outbox), base, parent, new_name, 0}, answer.reply());
    return answer.wait().error();
  }
  Answer<OpenResult> events;
  std::string entry;
};

TEST(Outbox, ListsWhatWasRefusedAndKeepsItsOctets) {
  Refused at;
  ASSERT_FALSE(at.entry.empty());
  EXPECT_TRUE(at.entry.ends_with("-new.eml")) << at.entry;
  const auto file = at.lookup(fixed_node(FixedNode::outbox), at.entry);
  ASSERT_EQ(file.wait().error(), 0);
  EXPECT_EQ(file.value().attributes.size, mail.size());
  EXPECT_EQ(at.cat(file.value().node), mail);
  EXPECT_EQ(at.journal->staged()->front().state, store::StagedFile::State::refused);
  EXPECT_EQ(at.journal->staged()->front().reason, "not this one");
}

TEST(Outbox, IsWhereTheFileIsOnceItIsClosed) {
  Refused at;
  EXPECT_FALSE(at.there("INBOX/new.eml"));
  EXPECT_EQ(at.lookup(fixed_node(FixedNode::outbox), "other").wait().error(), ENOENT);
}

TEST(Outbox, IsReportedInEvents) {
  Refused at;
  const auto lines = at.read(fixed_node(FixedNode::events), at.events.value().handle, 0, 65536);
  ASSERT_EQ(lines.wait().error(), 0);
  const auto line = nlohmann::json::parse(Situation::bytes(lines));
  EXPECT_EQ(line["event"], "upload-refused");
  EXPECT_EQ(line["path"], "INBOX/new.eml");
  EXPECT_EQ(line["name"], "new.eml");
  EXPECT_EQ(line["reason"], "not this one");
  EXPECT_EQ(line["outbox"], at.entry);
}

TEST(Outbox, IsFoundByNameInTheControlDirectory) {
  Refused at;
  const auto found = at.lookup(fixed_node(FixedNode::control_directory), "outbox");
  ASSERT_EQ(found.wait().error(), 0);
  EXPECT_EQ(found.value().node, fixed_node(FixedNode::outbox));
  EXPECT_TRUE(S_ISDIR(found.value().attributes.mode));
  const auto names = Situation::names(at.list(fixed_node(FixedNode::control_directory)));
  EXPECT_EQ(names.back(), "outbox");
}

TEST(Outbox, RmDropsAFile) {
  Refused at;
  EXPECT_EQ(at.rm_from_outbox(at.entry), 0);
  EXPECT_TRUE(at.outbox().empty());
  EXPECT_TRUE(at.journal->staged()->empty());
}

TEST(Outbox, MvSendsAgain) {
  Refused at;
  EXPECT_EQ(at.mv_from_outbox(at.entry, "Sent/again.eml"), 0);
  ASSERT_EQ(at.uploads(), 2u);
  EXPECT_EQ(at.last_upload().target.mailbox, at.account.id("Sent"));
  EXPECT_TRUE(at.outbox().empty());
  EXPECT_EQ(at.cat(at.find("Sent/again.eml")), mail);
}

TEST(Outbox, KeepsWhatIsRefusedAgain) {
  Refused at;
  at.account.changes().fail_next(Files::refused(EDQUOT));
  EXPECT_EQ(at.mv_from_outbox(at.entry, "Sent/again.eml"), EDQUOT);
  EXPECT_EQ(at.outbox(), Files::Lines{at.entry});
  EXPECT_FALSE(at.there("Sent/again.eml"));
}

}  // namespace
}  // namespace imapfs::vfs
