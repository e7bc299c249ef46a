#pragma once
// A Situation that can be written to, a message INBOX/7 in it, and one-line ways to change names.

#include <cstdio>

#include "support/temporary_directory.hpp"
#include "unit/vfs/news/recording_notifier.hpp"
#include "unit/vfs/situation.hpp"

namespace imapfs::vfs {

/// What is there before the file system and after it.
struct JournalAndKernel {
  imapfs::testing::TemporaryDirectory directory;
  std::shared_ptr<store::Journal> journal = *store::Journal::open(directory.path(), "anna@mail.example.org");
  RecordingNotifier kernel;
};

struct Writing : JournalAndKernel, Situation {
  using Lines = std::vector<std::string>;

  Writing() : Situation(default_settings(), {"INBOX", "Archive/", "Archive/2026", "Sent"}, journal) {
    account.changes().set_journal(journal);
    publisher.connect_notifier(&kernel);
    name = account.mailboxes().add("INBOX", 7);
    account.bodies().set_body("INBOX", 7, "From: anna\r\n\r\nHello\r\n");
    for (const char* path : {"INBOX", "Archive/2026", "Sent"}) account.mailboxes().complete(path);
  }

  /// "INBOX/name" as its directory and the name in it; directories of the tree only.
  [[nodiscard]] std::pair<NodeId, std::string> at(const std::string& path) const {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return {root_node, path};
    auto above = path.substr(0, slash);
    const bool deleted = above.ends_with("/.deleted");
    if (deleted) above.resize(above.size() - std::string_view("/.deleted").size());
    const auto id = account.id(above);
    return {deleted ? deleted_node(id) : mailbox_node(id), path.substr(slash + 1)};
  }
  int mv(const std::string& from, const std::string& to, unsigned flags = 0) {
    Answer<void> answer;
    const auto [parent, old_name] = at(from);
    const auto [new_parent, new_name] = at(to);
    filesystem.rename({}, {parent, old_name, new_parent, new_name, flags}, answer.reply());
    return answer.wait().error();
  }
  int rm(const std::string& path) {
    Answer<void> answer;
    const auto [parent, file] = at(path);
    filesystem.unlink({}, parent, file, answer.reply());
    return answer.wait().error();
  }
  int mkdir(const std::string& path) {
    Answer<Entry> answer;
    const auto [parent, file] = at(path);
    filesystem.mkdir({}, parent, file, 0700, answer.reply());
    return answer.wait().error();
  }
  int rmdir(const std::string& path) {
    Answer<void> answer;
    const auto [parent, file] = at(path);
    filesystem.rmdir({}, parent, file, answer.reply());
    return answer.wait().error();
  }
  /// The node that a path leads to; 0 for none.
  NodeId find(const std::string& path) {
    const auto [parent, file] = at(path);
    const auto found = lookup(parent, file);
    return found.error() == 0 ? found.value().node : NodeId{0};
  }
  bool there(const std::string& path) { return find(path).value != 0; }
  /// What a reader of an open file gets.
  std::string cat(NodeId file) {
    const auto opened = open(file);
    if (opened.wait().error() != 0) return "errno " + std::to_string(opened.error());
    const auto text = read(file, opened.value().handle);
    return text.wait().error() == 0 ? bytes(text) : "errno " + std::to_string(text.error());
  }
  /// A file that is written and closed, under a temporary name: nothing is uploaded yet.
  NodeId write_temporary(const std::string& path, const std::string& text) {
    const auto [parent, file] = at(path);
    Caller caller;
    caller.process = 1;
    Answer<CreateResult> created;
    filesystem.create(caller, parent, file, 0600, created.reply());
    if (created.wait().error() != 0) return NodeId{0};
    const auto made = created.value().entry.node;
    const auto handle = created.value().open.handle;
    Answer<std::size_t> written;
    filesystem.write(caller, {made, handle, 0, text}, written.reply());
    EXPECT_EQ(written.wait().error(), 0);
    Answer<void> flushed;
    filesystem.flush(caller, made, handle, flushed.reply());
    EXPECT_EQ(flushed.wait().error(), 0);
    filesystem.release(made, handle);
    return made;
  }
  /// Names in a mailbox, as ls shows them.
  Lines ls(const std::string& path) {
    auto all = names(list(mailbox(path)));
    std::erase_if(all, [](const auto& entry) { return entry == "." || entry == ".."; });
    return all;
  }
  Lines sent() { return account.changes().recorded(); }

  std::string name;
  NodeId node = message("INBOX", 7);
};

}  // namespace imapfs::vfs
