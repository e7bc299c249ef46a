// Directories with temporary or hidden names: local, as files with such names are.

#include "vfs/staging/local_directories.hpp"

#include "writing_situation.hpp"

namespace imapfs::vfs {
namespace {

class LocalDirectories : public ::testing::Test, public Writing {
 protected:
  /// The directory `file` in `parent`, made.
  NodeId made(NodeId parent, const std::string& file) {
    const auto answer = make(parent, file);
    return answer.error() == 0 ? answer.value().node : NodeId{0};
  }
  Answer<Entry> make(NodeId parent, const std::string& local) {
    Answer<Entry> answer;
    filesystem.mkdir({}, parent, local, 0700, answer.reply());
    return answer.wait();
  }
  int move(NodeId parent, const std::string& from, NodeId new_parent, const std::string& to, unsigned flags = 0) {
    Answer<void> answer;
    filesystem.rename({}, {parent, from, new_parent, to, flags}, answer.reply());
    return answer.wait().error();
  }
  int remove(NodeId parent, const std::string& file) {
    Answer<void> answer;
    filesystem.unlink({}, parent, file, answer.reply());
    return answer.wait().error();
  }
  int remove_directory(NodeId parent, const std::string& local) {
    Answer<void> answer;
    filesystem.rmdir({}, parent, local, answer.reply());
    return answer.wait().error();
  }
  /// A file that is written and closed.
  int write(NodeId parent, const std::string& file, const std::string& text) {
    Caller caller;
    caller.process = 1;
    Answer<CreateResult> created;
    filesystem.create(caller, parent, file, 0600, created.reply());
    if (created.wait().error() != 0) return created.error();
    const auto made_node = created.value().entry.node;
    const auto handle = created.value().open.handle;
    Answer<std::size_t> written;
    filesystem.write(caller, {made_node, handle, 0, text}, written.reply());
    EXPECT_EQ(written.wait().error(), 0);
    Answer<void> flushed;
    filesystem.flush(caller, made_node, handle, flushed.reply());
    EXPECT_EQ(flushed.wait().error(), 0);
    filesystem.release(made_node, handle);
    return 0;
  }
  Lines listed(NodeId local) {
    auto all = names(list(local));
    std::erase_if(all, [](const auto& entry) { return entry == "." || entry == ".."; });
    return all;
  }
  std::string text_of(NodeId parent, const std::string& file) {
    const auto found = lookup(parent, file);
    return found.error() == 0 ? cat(found.value().node) : "errno " + std::to_string(found.error());
  }

  const std::string mail = "From: anna\r\n\r\nText\r\n";
  NodeId inbox = mailbox("INBOX");
};

TEST_F(LocalDirectories, AreMadeInMailboxesTheRootAndEachOtherAndNeverOnTheServer) {
  const auto local = made(inbox, ".~tmp~");
  ASSERT_NE(local.value, 0u);
  EXPECT_TRUE(S_ISDIR(lookup(inbox, ".~tmp~").value().attributes.mode));
  EXPECT_NE(made(local, "deeper").value, 0u);
  EXPECT_NE(made(root_node, ".stfolder").value, 0u);
  EXPECT_NE(made(mailbox("Archive"), ".old").value, 0u) << "a directory without a mailbox";
  EXPECT_EQ(listed(inbox), (Lines{name, ".~tmp~"}));
  EXPECT_EQ(listed(local), Lines{"deeper"});
  EXPECT_EQ(listed(mailbox("Archive")), (Lines{"2026", ".old"}));
  EXPECT_EQ(listed(root_node).back(), ".stfolder");
  EXPECT_TRUE(sent().empty());
}

TEST_F(LocalDirectories, ANameIsTakenOnce) {
  made(inbox, ".old");
  EXPECT_EQ(make(inbox, ".old").error(), EEXIST);
  EXPECT_EQ(make(inbox, ".deleted").error(), EEXIST);
  EXPECT_EQ(make(root_node, ".imapfs").error(), EEXIST);
  Answer<CreateResult> created;
  filesystem.create({}, inbox, ".old", 0600, created.reply());
  EXPECT_EQ(created.error(), EEXIST);
}

TEST_F(LocalDirectories, KeepTheirFilesToThemselves) {
  const auto local = made(inbox, ".old");
  EXPECT_EQ(write(local, "final name.eml", mail), 0);
  EXPECT_EQ(listed(local), Lines{"final name.eml"});
  EXPECT_EQ(text_of(local, "final name.eml"), mail);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(lookup(inbox, "final name.eml").error(), ENOENT);
  EXPECT_EQ(remove(local, "final name.eml"), 0);
  EXPECT_TRUE(listed(local).empty());
}

TEST_F(LocalDirectories, AFileMovedOutIsUploaded) {
  const auto local = made(inbox, ".~tmp~");
  write(inbox, ".x.eml.AbCdEf", mail);
  EXPECT_EQ(move(inbox, ".x.eml.AbCdEf", local, "x.eml"), 0);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(move(local, "x.eml", inbox, "x.eml"), 0);
  EXPECT_EQ(sent(), Lines{"append INBOX/x.eml"});
  EXPECT_EQ(remove_directory(inbox, ".~tmp~"), 0);
  EXPECT_EQ(lookup(inbox, ".~tmp~").error(), ENOENT);
}

TEST_F(LocalDirectories, AFileMovedOutOntoAMessageReplacesIt) {
  const auto local = made(inbox, ".~tmp~");
  write(local, "x.eml", mail);
  EXPECT_EQ(move(local, "x.eml", inbox, name), 0);
  EXPECT_EQ(sent(), Lines{"append INBOX/" + name + " replacing INBOX/7"});
}

TEST_F(LocalDirectories, AMessageIsNotMovedThereSoThatItIsCopied) {
  const auto local = made(inbox, ".old");
  EXPECT_EQ(move(inbox, name, local, name), EXDEV);
  EXPECT_TRUE(there("INBOX/" + name));
  EXPECT_TRUE(sent().empty());
}

TEST_F(LocalDirectories, AreRemovedWhenTheyAreEmpty) {
  const auto local = made(inbox, ".old");
  write(local, "x", mail);
  EXPECT_EQ(remove_directory(inbox, ".old"), ENOTEMPTY);
  EXPECT_EQ(remove(inbox, ".old"), EISDIR);
  remove(local, "x");
  EXPECT_EQ(remove_directory(inbox, ".old"), 0);
  EXPECT_EQ(getattr(local).error(), ENOENT);
}

TEST_F(LocalDirectories, AreRenamedWithAllThatIsInThem) {
  const auto local = made(inbox, ".old");
  const auto deeper = made(local, "deeper");
  write(deeper, "x", mail);
  EXPECT_EQ(move(inbox, ".old", deeper, "itself"), EINVAL);
  EXPECT_EQ(move(inbox, ".old", root_node, ".older"), 0);
  EXPECT_EQ(lookup(root_node, ".older").value().node, local);
  EXPECT_EQ(text_of(deeper, "x"), mail);
  made(inbox, ".empty");
  EXPECT_EQ(move(root_node, ".older", inbox, ".empty"), 0) << "an empty one makes way";
  EXPECT_EQ(move(inbox, ".empty", inbox, "mailbox"), EXDEV) << "mv makes a mailbox and copies";
  EXPECT_TRUE(sent().empty());
}

TEST_F(LocalDirectories, AMailboxDoesNotBecomeOne) {
  const auto local = made(root_node, ".old");
  EXPECT_EQ(move(root_node, "Sent", local, "Sent"), EPERM);
  EXPECT_TRUE(sent().empty());
}

TEST_F(LocalDirectories, AMailboxThatHoldsOneIsNotEmpty) {
  made(mailbox("Sent"), ".stfolder");
  EXPECT_EQ(rmdir("Sent"), ENOTEMPTY);
}

TEST_F(LocalDirectories, AreThereAgainAfterARestartWithTheirFiles) {
  const auto local = made(inbox, ".old");
  const auto deeper = made(local, "2026");
  made(root_node, ".stfolder");
  write(deeper, "x.eml", mail);
  move(inbox, ".old", inbox, ".older");
  Filesystem next(account, publisher, scheduler, default_settings(), std::make_unique<sync::Outbox>(journal));
  const auto ask = [&](NodeId parent, const std::string& file) {
    Answer<Entry> answer;
    next.lookup({}, parent, file, answer.reply());
    return answer;
  };
  // Recovery is the first job of its thread; a second job comes after it.
  Answer<void> settled;
  next.fsyncdir({}, inbox, settled.reply());
  settled.wait();
  EXPECT_EQ(ask(root_node, ".stfolder").error(), 0);
  ASSERT_EQ(ask(inbox, ".older").error(), 0);
  EXPECT_EQ(ask(inbox, ".older").value().node, local);
  ASSERT_EQ(ask(local, "2026").error(), 0);
  const auto file = ask(deeper, "x.eml");
  ASSERT_EQ(file.error(), 0);
  EXPECT_EQ(file.value().attributes.size, mail.size());
  Answer<Entry> outbox;
  next.lookup({}, fixed_node(FixedNode::outbox), "x.eml", outbox.reply());
  EXPECT_EQ(outbox.error(), ENOENT);
}

// -- the trash of file managers --

class FileManagersTrash : public LocalDirectories {
 protected:
  void SetUp() override {
    account.set_mailboxes({"INBOX", "Sent", "Trash"});
    account.mailboxes().complete("Trash");
    trash = made(root_node, ".Trash-1000");
    files = made(trash, "files");
    info = made(trash, "info");
  }
  NodeId trash;
  NodeId files;
  NodeId info;
};

TEST_F(FileManagersTrash, WhatIsMovedThereGoesToTheMailboxForIt) {
  EXPECT_EQ(write(info, "x.trashinfo", "[Trash Info]\n"), 0);
  EXPECT_EQ(move(inbox, name, files, "x"), 0);
  EXPECT_EQ(sent(), Lines{"move INBOX/7 -> Trash/x"});
  EXPECT_EQ(listed(files), Lines{"x"});
  EXPECT_EQ(lookup(files, "x").value().node, node);
}

TEST_F(FileManagersTrash, WhatIsMovedOutComesBack) {
  move(inbox, name, files, "x");
  EXPECT_EQ(move(files, "x", inbox, "back"), 0);
  EXPECT_EQ(sent().back(), "move Trash/101 -> INBOX/back");
}

TEST_F(FileManagersTrash, NothingInTheMailboxIsReplaced) {
  const auto other = account.mailboxes().add("Trash", 8);
  EXPECT_EQ(write(info, other + ".trashinfo", "[Trash Info]\n"), EEXIST) << "so another name is taken";
  EXPECT_EQ(move(inbox, name, files, other), EEXIST);
  EXPECT_EQ(write(files, "y", mail), EPERM);
  EXPECT_TRUE(sent().empty());
}

TEST_F(LocalDirectories, WithoutAMailboxForItThereIsNoTrash) {
  EXPECT_EQ(make(root_node, ".Trash-1000").error(), EPERM);
  EXPECT_NE(made(inbox, ".Trash-1000").value, 0u) << "a name like any other elsewhere";
}

}  // namespace
}  // namespace imapfs::vfs
