// Golden values: backup tools compare inode numbers across versions of imapfs. A change here is a bug in identity.cpp.
#include "imapfs/model/identity.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace imapfs {
namespace {

constexpr std::string_view account = "anna@mail.example.org";

TEST(Identity, TheStableHashNeverChanges) {
  EXPECT_EQ(stable_hash(""), 0xefd01f60ba992926u);
  EXPECT_EQ(stable_hash("INBOX"), 0x35b42bf821726afu);
  EXPECT_EQ(stable_hash("INBOX", 7), 0x23ac2dee9ad2150au);
  EXPECT_EQ(stable_hash("Entw\xc3\xbcrfe"), 0x9c0ad4c9c9c223d8u);
}

TEST(Identity, MailboxNumbersNeverChange) {
  EXPECT_EQ(mailbox_id_candidate(account, "").value, 0xe1f7f71u);
  EXPECT_EQ(mailbox_id_candidate(account, "INBOX").value, 0x736ad4au);
  EXPECT_EQ(mailbox_id_candidate(account, "Archive/2026").value, 0x5426807u);
  EXPECT_EQ(mailbox_inode(account, "").value, 0x4a42a2e7c28dc240u);
  EXPECT_EQ(mailbox_inode(account, "INBOX").value, 0x4e827ec4a63a35b8u);
  EXPECT_EQ(mailbox_inode(account, "Archive/2026").value, 0x482c0ee3cf23a40du);
}

TEST(Identity, MessageNumbersNeverChange) {
  const auto seed = message_inode_seed(account, "INBOX", UidValidity{1234567890});
  EXPECT_EQ(seed, 0x293c2bb64b14d578u);
  EXPECT_EQ(message_inode(seed, Uid{1}).value, 0x2b9b28e4e0aa27b5u);
  EXPECT_EQ(message_inode(seed, Uid{4711}).value, 0x2a49c926e9f7a07cu);
  EXPECT_EQ(message_inode(seed, Uid{4294967295}).value, 0x3d44e845273d5dafu);
}

TEST(Identity, MailboxIdsHave28BitsAndAreNeverZero) {
  for (int number = 0; number < 10000; ++number) {
    const auto id = mailbox_id_candidate(account, std::to_string(number)).value;
    ASSERT_NE(id, 0u);
    ASSERT_LT(id, 1u << 28);
  }
}

TEST(Identity, NoTwoMessagesOfAMailboxShareAnInode) {
  const auto seed = message_inode_seed(account, "INBOX", UidValidity{1});
  std::set<std::uint64_t> seen;
  for (std::uint32_t uid = 1; uid <= 20000; ++uid) ASSERT_TRUE(seen.insert(message_inode(seed, Uid{uid}).value).second);
}

TEST(Identity, MessagesAndDirectoriesNeverShareAnInodeAndNoneIsSmallOrNegative) {
  const auto seed = message_inode_seed(account, "INBOX", UidValidity{1});
  for (std::uint32_t number = 1; number <= 10000; ++number) {
    const auto message = message_inode(seed, Uid{number}).value;
    const auto directory = mailbox_inode(account, std::to_string(number)).value;
    ASSERT_EQ(message >> 61, 1u);
    ASSERT_EQ(directory >> 62, 1u);
  }
}

TEST(Identity, AccountPathAndValidityAllCount) {
  EXPECT_NE(mailbox_inode("a", "bc"), mailbox_inode("ab", "c"));
  EXPECT_NE(mailbox_id_candidate("a", "bc"), mailbox_id_candidate("ab", "c"));
  const auto seed = message_inode_seed("a", "INBOX", UidValidity{1});
  EXPECT_NE(seed, message_inode_seed("b", "INBOX", UidValidity{1}));
  EXPECT_NE(seed, message_inode_seed("a", "INBOX2", UidValidity{1}));
  EXPECT_NE(seed, message_inode_seed("a", "INBOX", UidValidity{2}));
}

}  // namespace
}  // namespace imapfs
