#pragma once
// Names of staged files and of local directories, and what whoever renames and removes messages tells of them.
//
// All methods from any thread; each becomes a job of the thread "staging", which answers. Nothing blocks the caller,
// but the room in that thread's queue, which the disk makes.

#include <functional>
#include <optional>
#include <string>

#include "vfs/staging/displaced_messages.hpp"
#include "vfs/staging/holds.hpp"
#include "vfs/staging/local_directory_rows.hpp"
#include "vfs/staging/message_replacement.hpp"
#include "vfs/staging/staged_rename.hpp"
#include "vfs/staging/staging_thread.hpp"

namespace imapfs::vfs {

class StagedNames {
 public:
  struct Dependencies {
    StagingThread& thread;
    DisplacedMessages& displaced;
    Holds& holds;
    const OriginalMessages& originals;
    const StagedRename& rename;
    const MessageReplacement& replacement;
    const LocalDirectoryRows& directories;
  };
  explicit StagedNames(const Dependencies& dependencies) : use_(dependencies) {}

  /// Renames a staged file. Under a final name it is uploaded, in place of `replaces` (uid 0: of nothing), and the
  /// reply waits for that until the caller's answer_by. Under a temporary name only the name changes.
  void rename(const Caller& caller, NodeId node, MailboxId mailbox, const std::string& name,
              const std::optional<OriginalMessage>& replaces, Reply<void> reply);
  /// unlink. An open file goes on without a name and is never uploaded.
  void remove(const Caller& caller, NodeId node, Reply<void> reply);

  /// A message that this process has uploaded a moment ago under another name is renamed onto `target`, or to a name
  /// that a message had a moment ago (MessageReplacement). False, and nothing happens, if `own` is no such message or
  /// there is nothing to take over.
  void take_place(const OriginalMessage& own, const std::string& name, const std::optional<OriginalMessage>& target,
                  Reply<bool> reply);
  /// What had a name a moment ago: told by whoever renames and removes messages, asked when a file gets a name.
  [[nodiscard]] DisplacedMessages& displaced() { return use_.displaced; }

  /// For whoever gives the message of `node` another name, place, flags, or removes it: see Holds.
  void hold(NodeId node, std::function<void(Hold)> then);
  /// The message of this node was removed, or another has taken its name. What is written to it from here on has no
  /// name either.
  void message_gone(NodeId node);
  /// The message of this node has another name, maybe in another mailbox: the version that is written next has it too.
  void message_renamed(NodeId node, const std::string& name);

  /// The name is local. EEXIST if a local entry has it.
  void make_directory(MailboxId parent, const std::string& name, Reply<Entry> reply);
  /// ENOTEMPTY while it holds something.
  void remove_directory(NodeId node, Reply<void> reply);
  /// In place of an empty local directory, if there is one.
  void rename_directory(NodeId node, MailboxId parent, const std::string& name, Reply<void> reply);

 private:
  const Dependencies use_;
};

}  // namespace imapfs::vfs
