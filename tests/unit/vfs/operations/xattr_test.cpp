#include <algorithm>
#include <limits>

#include "unit/vfs/situation.hpp"

namespace imapfs::vfs {
namespace {

struct Tagged : Situation {
  Tagged() {
    auto meta = testing::fake_message(7);
    meta.internal_date = 1763631000;
    meta.flags = FlagSet::parse("\\Seen $Forwarded");
    meta.modseq = ModSeq{12345678901};
    account.mailboxes().add("INBOX", meta);
    account.mailboxes().complete("INBOX");
    account.mailboxes().set_details({{"Anna <anna@example.org>", "Lunch", "", "<1@example.org>"}, "bob@example.org"});
  }
  NodeId node = message("INBOX", 7);
};

TEST(Xattr, WhatTheTableKnowsNeedsNoQuestion) {
  Tagged at;
  EXPECT_EQ(at.xattr(at.node, "user.imap.uid").value(), "7");
  EXPECT_EQ(at.xattr(at.node, "user.imap.uidvalidity").value(), "77");
  EXPECT_EQ(at.xattr(at.node, "user.imap.flags").value(), "\\Seen $Forwarded");
  EXPECT_EQ(at.xattr(at.node, "user.imap.internaldate").value(), "2025-11-20T09:30:00Z");
  EXPECT_EQ(at.xattr(at.node, "user.imap.modseq").value(), "12345678901");
  EXPECT_EQ(at.account.mailboxes().calls().details, 0);
}

TEST(Xattr, HeaderFieldsComeFromTheDetails) {
  Tagged at;
  EXPECT_EQ(at.xattr(at.node, "user.imap.from").value(), "Anna <anna@example.org>");
  EXPECT_EQ(at.xattr(at.node, "user.imap.to").value(), "bob@example.org");
  EXPECT_EQ(at.xattr(at.node, "user.imap.subject").value(), "Lunch");
  EXPECT_EQ(at.xattr(at.node, "user.imap.message-id").value(), "<1@example.org>");
  EXPECT_EQ(at.account.mailboxes().calls().details, 4);
}

TEST(Xattr, EveryListedNameHasAValue) {
  Tagged at;
  for (const auto node : {at.node, at.mailbox("INBOX"), at.mailbox("Archive"), at.mailbox("Sent"), root_node}) {
    for (const auto& name : at.xattr_names(node)) EXPECT_EQ(at.xattr(node, name).error(), 0) << name;
  }
  EXPECT_EQ(at.xattr_names(at.node).size(), 9u);
}

TEST(Xattr, WhatTheServerLacksIsNotListed) {
  Situation at;
  at.account.mailboxes().messages("INBOX").reset(UidValidity{0});
  at.account.mailboxes().add("INBOX", 7);
  const auto names = at.xattr_names(at.message("INBOX", 7));
  for (const auto* name : {"user.imap.modseq", "user.imap.uidvalidity", "user.imap.emailid"}) {
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 0) << name;
    EXPECT_EQ(at.xattr(at.message("INBOX", 7), name).error(), ENODATA) << name;
  }
}

TEST(Xattr, MailboxesTellTheirServerNameAndCounts) {
  Tagged at;
  EXPECT_EQ(at.xattr(at.mailbox("Archive/2026"), "user.imap.mailbox").value(), "Archive/2026");
  EXPECT_EQ(at.xattr(at.mailbox("Sent"), "user.imap.special-use").value(), "\\Sent");
  EXPECT_EQ(at.xattr(at.mailbox("INBOX"), "user.imap.special-use").error(), ENODATA);
  EXPECT_EQ(at.xattr(at.mailbox("INBOX"), "user.imap.uidvalidity").value(), "77");
  EXPECT_EQ(at.xattr(at.mailbox("INBOX"), "user.imap.messages").value(), "1");
  EXPECT_EQ(at.xattr(at.mailbox("INBOX"), "user.imap.unseen").value(), "3");
}

TEST(Xattr, NamesOutsideUserAreNotSupportedAnywhere) {
  Tagged at;
  for (const auto* name : {"security.capability", "system.posix_acl_access", "trusted.x", "imap.uid", ""}) {
    EXPECT_EQ(at.xattr(at.node, name).error(), EOPNOTSUPP) << name;
    EXPECT_EQ(at.xattr(root_node, name).error(), EOPNOTSUPP) << name;
  }
}

TEST(Xattr, UnknownUserNamesHaveNoData) {
  Tagged at;
  for (const auto node : {at.node, at.mailbox("INBOX"), root_node, fixed_node(FixedNode::status)}) {
    EXPECT_EQ(at.xattr(node, "user.imap.nothing").error(), ENODATA);
    EXPECT_EQ(at.xattr(node, "user.mime_type").error(), ENODATA);
  }
  EXPECT_TRUE(at.xattr_names(root_node).empty());
}

TEST(Xattr, AValueNeverExceedsWhatTheKernelTakes) {
  Tagged at;
  std::string subject;
  while (subject.size() < 80000) subject += "\xc3\xa4";
  at.account.mailboxes().set_details({{"", "x" + subject, "", ""}, ""});
  const auto value = at.xattr(at.node, "user.imap.subject").value();
  EXPECT_EQ(value.size(), 65535u) << "cut on a character boundary";
}

TEST(Xattr, DatesNoCalendarHasAreClamped) {
  Situation at;
  auto meta = testing::fake_message(7);
  meta.internal_date = std::numeric_limits<UnixTime>::max();
  at.account.mailboxes().add("INBOX", meta);
  EXPECT_EQ(at.xattr(at.message("INBOX", 7), "user.imap.internaldate").value(), "9999-12-31T23:59:59Z");
  meta.internal_date = std::numeric_limits<UnixTime>::min();
  at.account.mailboxes().add("INBOX", meta);
  EXPECT_EQ(at.xattr(at.message("INBOX", 7), "user.imap.internaldate").value(), "0000-01-01T00:00:00Z");
}

}  // namespace
}  // namespace imapfs::vfs
