#include "imapfs/sync/mailbox_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "imapfs/mime/names.hpp"
#include "imapfs/model/identity.hpp"

namespace imapfs::sync {
namespace {

using NamespaceKind = imap::Namespace::Kind;

imap::Namespace space(NamespaceKind kind, const std::string& prefix, char delimiter) {
  return imap::Namespace{kind, prefix, prefix, delimiter};
}

imap::ListedMailbox mailbox(const std::string& name, char delimiter, bool selectable = true) {
  imap::ListedMailbox row;
  row.wire_name = name;
  row.name = name;
  row.delimiter = delimiter;
  row.selectable = selectable;
  return row;
}

std::vector<imap::ListedMailbox> mailboxes(char delimiter, const std::vector<std::string>& names) {
  std::vector<imap::ListedMailbox> rows;
  for (const auto& name : names) rows.push_back(mailbox(name, delimiter));
  return rows;
}

std::shared_ptr<const MailboxTree> build(const std::vector<imap::Namespace>& namespaces,
                                         const std::vector<imap::ListedMailbox>& rows) {
  return MailboxTree::build("anna@example.org", namespaces, rows);
}

/// "path=wire name" of every directory but the root, in path order.
std::vector<std::string> listing(const MailboxTree& tree) {
  std::vector<std::string> lines;
  for (const auto& [id, node] : tree.nodes()) {
    if (id.value != 0) lines.push_back(node.path + "=" + node.wire_name);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

using Lines = std::vector<std::string>;

TEST(MailboxTree, LevelsBecomeDirectories) {
  const auto tree = build({space(NamespaceKind::personal, "", '/')},
                          mailboxes('/', {"INBOX", "Archive", "Archive/2026", "INBOX/Work"}));
  EXPECT_EQ(listing(*tree),
            (Lines{"Archive/2026=Archive/2026", "Archive=Archive", "INBOX/Work=INBOX/Work", "INBOX=INBOX"}));
  const auto* node = tree->find_path("Archive/2026");
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(node->component, "2026");
  EXPECT_EQ(node->parent, tree->find_path("Archive")->id);
  EXPECT_EQ(tree->find_path("Archive")->children.at("2026"), node->id);
  EXPECT_EQ(tree->root().children.size(), 2U);
  EXPECT_EQ(tree->find(node->id), node);
  EXPECT_EQ(node->inode, mailbox_inode("anna@example.org", "Archive/2026"));
}

TEST(MailboxTree, PathsAreFoundExactly) {
  const auto tree = build({}, mailboxes('/', {"INBOX", "a/b"}));
  EXPECT_EQ(tree->find_path(""), &tree->root());
  EXPECT_NE(tree->find_path("a/b"), nullptr);
  for (const auto* path : {"/", "a/", "/a", "a//b", "a/b/c", "A", "inbox", "b"}) {
    EXPECT_EQ(tree->find_path(path), nullptr) << path;
  }
}

TEST(MailboxTree, ThePersonalPrefixIsStripped) {
  const auto tree = build({space(NamespaceKind::personal, "INBOX.", '.')},
                          mailboxes('.', {"INBOX", "INBOX.Work", "INBOX.Work.2026"}));
  EXPECT_EQ(listing(*tree), (Lines{"INBOX=INBOX", "Work/2026=INBOX.Work.2026", "Work=INBOX.Work"}));
}

TEST(MailboxTree, AMailboxThatWouldTakeTheInboxsPlaceIsToldApart) {
  const auto rows = mailboxes('.', {"INBOX", "INBOX.INBOX", "INBOX.INBOX.x"});
  const auto tree = build({space(NamespaceKind::personal, "INBOX.", '.')}, rows);
  EXPECT_EQ(listing(*tree), (Lines{"INBOX%7E/x=INBOX.INBOX.x", "INBOX%7E=INBOX.INBOX", "INBOX=INBOX"}));
  const auto without = build({space(NamespaceKind::personal, "INBOX.", '.')}, mailboxes('.', {"INBOX.INBOX"}));
  EXPECT_EQ(listing(*without), (Lines{"INBOX%7E=INBOX.INBOX"})) << "the same name, whatever LIST leaves out";
}

TEST(MailboxTree, APrefixThatIsNoInboxIsNoDirectoryWithinItself) {
  const auto spaces = {space(NamespaceKind::personal, "mail/", '/')};
  auto rows = mailboxes('/', {"INBOX", "mail/a"});
  rows.push_back(mailbox("mail/", '/', false));
  EXPECT_EQ(listing(*build(spaces, rows)), (Lines{"INBOX=INBOX", "a=mail/a"}));
  rows.push_back(mailbox("mail", '/', true));
  EXPECT_EQ(listing(*build(spaces, rows)), (Lines{"INBOX=INBOX", "a=mail/a", "mail=mail"}))
      << "unless it holds messages";
}

TEST(MailboxTree, OtherNamespacesStandBeside) {
  const auto tree = build(
      {space(NamespaceKind::personal, "INBOX.", '.'), space(NamespaceKind::other_users, "user.", '.'),
       space(NamespaceKind::shared, "shared/", '/')},
      {mailbox("INBOX", '.'), mailbox("INBOX.Work", '.'), mailbox("user.bob", '.'), mailbox("user.bob.Work", '.'),
       mailbox("shared/a.b", '/')});
  EXPECT_EQ(listing(*tree), (Lines{"INBOX=INBOX", "Work=INBOX.Work", "shared/a.b=shared/a.b",
                                   "shared=", "user/bob/Work=user.bob.Work", "user/bob=user.bob", "user="}));
}

TEST(MailboxTree, APersonalMailboxKeepsItsNameAndTheOtherNamespaceIsToldApart) {
  const std::vector spaces{space(NamespaceKind::personal, "INBOX.", '.'), space(NamespaceKind::shared, "", '.'),
                           space(NamespaceKind::other_users, "user.", '.')};
  const auto rows = mailboxes('.', {"news", "news.x", "user.bob", "INBOX", "INBOX.news", "INBOX.news.y", "INBOX.user"});
  EXPECT_EQ(listing(*build(spaces, rows)),
            (Lines{"INBOX=INBOX", "news%7E/x=news.x", "news%7E=news", "news/y=INBOX.news.y", "news=INBOX.news",
                   "user%7E/bob=user.bob", "user%7E=", "user=INBOX.user"}));
}

TEST(MailboxTree, LevelsThatListLeavesOutHoldNoMessages) {
  const auto tree = build({}, mailboxes('/', {"INBOX", "a/b/c"}));
  const auto* level = tree->find_path("a/b");
  ASSERT_NE(level, nullptr);
  EXPECT_FALSE(level->selectable);
  EXPECT_TRUE(level->name.empty());
  EXPECT_TRUE(level->wire_name.empty());
  EXPECT_EQ(level->delimiter, '/');
  EXPECT_TRUE(tree->find_path("a/b/c")->selectable);
}

TEST(MailboxTree, EachMailboxHasItsOwnDelimiter) {
  const auto tree = build({}, {mailbox("a.b", '.'), mailbox("a/c", '/'), mailbox("x.y/z", 0), mailbox("a/b", '/')});
  EXPECT_EQ(listing(*tree),
            (Lines{"a/b%7E=a/b", "a/b=a.b", "a/c=a/c", "a=", mime::component_from_mailbox_level("x.y/z") + "=x.y/z"}));
}

TEST(MailboxTree, OnlyTheInboxIsWithoutCase) {
  auto inbox = mailbox("Inbox", '/');
  inbox.name = "INBOX";
  const auto tree = build({}, {inbox, mailbox("Work", '/'), mailbox("work", '/'), mailbox("inbox/a", '/')});
  EXPECT_EQ(listing(*tree), (Lines{"INBOX/a=inbox/a", "INBOX=Inbox", "Work=Work", "work=work"}));
  ASSERT_NE(tree->find_wire_name("iNbOx"), nullptr);
  EXPECT_EQ(tree->find_wire_name("iNbOx")->path, "INBOX");
  EXPECT_EQ(tree->find_wire_name("WORK"), nullptr);
  EXPECT_EQ(tree->find_wire_name("work")->path, "work");
}

TEST(MailboxTree, ComponentsAreEscaped) {
  const auto tree = build({}, {mailbox(".imapfs", '/'), mailbox("a/.search", '/'),
                               mailbox(std::string("nu\0l", 4), '/'), mailbox("up/..", '/')});
  EXPECT_EQ(tree->find_path(".imapfs"), nullptr);
  EXPECT_EQ(tree->find_wire_name(".imapfs")->component, mime::component_from_mailbox_level(".imapfs"));
  EXPECT_EQ(tree->find_wire_name("a/.search")->component, mime::component_from_mailbox_level(".search"));
  for (const auto& [id, node] : tree->nodes()) {
    EXPECT_FALSE(node.component.starts_with('.')) << node.component;
    EXPECT_EQ(node.component.find('\0'), std::string::npos);
  }
}

TEST(MailboxTree, DuplicatesAreMerged) {
  auto again = mailbox("a", '/', false);
  auto inbox = mailbox("inbox", '/');
  inbox.name = "INBOX";
  const auto tree = build(
      {}, {again, mailbox("a", '/'), mailbox("a", '/'), mailbox("a/", '/', false), mailbox("INBOX", '/'), inbox});
  EXPECT_EQ(listing(*tree), (Lines{"INBOX=INBOX", "a=a"}));
  EXPECT_TRUE(tree->find_path("a")->selectable);
}

TEST(MailboxTree, TwoMailboxesThatReadTheSameAreBothReachable) {
  auto raw = mailbox("caf\xc3\xa9", '/');
  auto encoded = mailbox("caf&AOk-", '/');
  encoded.name = raw.name;
  const auto tree = build({}, {raw, encoded, raw});
  EXPECT_EQ(listing(*tree), (Lines{"caf\xc3\xa9%7E=caf\xc3\xa9", "caf\xc3\xa9=caf&AOk-"}));
}

TEST(MailboxTree, TheOrderOfListDoesNotMatter) {
  const std::vector spaces{space(NamespaceKind::personal, "INBOX.", '.'), space(NamespaceKind::shared, "", '.')};
  auto rows = mailboxes(
      '.', {"INBOX", "INBOX.INBOX", "INBOX.a.b", "a", "a.b", "a.b.c", "INBOX.news", "news", "..", "x..y", "x."});
  rows.push_back(mailbox("a/b", '/'));
  const auto expected = build(spaces, rows);
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::shuffle(rows.begin(), rows.end(), random);
    const auto tree = build(spaces, rows);
    EXPECT_EQ(listing(*tree), listing(*expected));
    EXPECT_TRUE(difference(*expected, *tree).added.empty());
  }
}

TEST(MailboxTree, EmptyLevelsAndHostileNamesMakeDirectoriesThatCanBeNamed) {
  const auto tree = build({}, mailboxes('/', {"a//b", "//", "/", "", "/x", "x", "x//", "a/b", std::string(3000, 'n'),
                                              std::string(2000, 'n') + "m", "\xff\xfe", "%", "%7E", "..", "./.."}));
  std::set<std::string> paths;
  for (const auto& [id, node] : tree->nodes()) {
    if (id.value == 0) continue;
    EXPECT_FALSE(node.component.empty());
    EXPECT_LE(node.component.size(), 255U);
    EXPECT_EQ(node.component.find('/'), std::string::npos);
    EXPECT_NE(node.component, ".");
    EXPECT_NE(node.component, "..");
    EXPECT_TRUE(paths.insert(node.path).second) << node.path;
    EXPECT_EQ(tree->find_path(node.path), &node);
  }
  EXPECT_EQ(tree->find_wire_name("a//b")->path,
            "a/" + tree->find(tree->find_wire_name("a//b")->parent)->component + "/b");
  EXPECT_NE(tree->find_wire_name("x")->path, tree->find_wire_name("/x")->path);
}

TEST(MailboxTree, NamesBeyondTheBoundsAreLeftOutAndCostLittle) {
  std::string deep;
  for (int i = 0; i < 500000; ++i) deep += "a/";
  const auto tree = build({}, {mailbox("INBOX", '/'), mailbox(deep, '/'), mailbox(deep.substr(0, 400), '/'),
                               mailbox(deep.substr(0, 99), '/')});
  EXPECT_NE(tree->find_path("INBOX"), nullptr);
  EXPECT_EQ(tree->nodes().size(), 2U + 50U);
}

TEST(MailboxTree, AHundredThousandMailboxesGetDistinctStableIds) {
  std::vector<imap::ListedMailbox> rows;
  for (int i = 0; i < 100000; ++i) rows.push_back(mailbox(fmt::format("lists/{}/{}", i % 300, i), '/'));
  const auto tree = build({}, rows);
  EXPECT_EQ(tree->nodes().size(), 100000U + 300U + 1U + 1U);
  std::size_t probed = 0;
  for (const auto& [id, node] : tree->nodes()) {
    if (id.value == 0) continue;
    ASSERT_LT(id.value, 1U << 28);
    if (id != mailbox_id_candidate("anna@example.org", node.path)) ++probed;
  }
  EXPECT_GT(probed, 0U) << "so many paths collide somewhere: the probing was exercised";
  EXPECT_LT(probed, 100U);
  std::reverse(rows.begin(), rows.end());
  const auto again = build({}, rows);
  EXPECT_TRUE(difference(*tree, *again).added.empty());
  EXPECT_TRUE(difference(*tree, *again).removed.empty());
}

TEST(MailboxTree, TheDifferenceNamesParentsFirstWhenAddedAndLastWhenRemoved) {
  const auto before = build({}, mailboxes('/', {"INBOX", "old/a/b", "same"}));
  auto rows = mailboxes('/', {"INBOX", "new/a", "same", "new"});
  rows[2].status.messages = 7;
  const auto after = build({}, rows);
  const auto change = difference(*before, *after);
  const auto paths = [](const std::vector<MailboxNode>& nodes) {
    Lines lines;
    for (const auto& node : nodes) lines.push_back(node.path);
    return lines;
  };
  EXPECT_EQ(paths(change.added), (Lines{"new", "new/a"}));
  EXPECT_EQ(paths(change.removed), (Lines{"old/a/b", "old/a", "old"}));
}

TEST(MailboxTree, ADirectoryThatBecomesAMailboxIsADifference) {
  const auto before = build({}, mailboxes('/', {"a/b"}));
  const auto after = build({}, mailboxes('/', {"a", "a/b"}));
  const auto change = difference(*before, *after);
  ASSERT_EQ(change.added.size(), 1U);
  EXPECT_TRUE(change.added[0].selectable);
  ASSERT_EQ(change.removed.size(), 1U);
  EXPECT_EQ(change.removed[0].id, change.added[0].id);
}

}  // namespace
}  // namespace imapfs::sync
