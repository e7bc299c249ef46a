#pragma once
// The messages that files are new versions of: what they are by now, where they are, and whether they still have a
// name. A message that is open for writing while it is moved, renamed, removed or replaced takes what is written with
// it, as on any file system.
//
// Thread "staging"; no state of its own but what is noted in the files.

#include <functional>
#include <string>

#include "imapfs/sync/account.hpp"
#include "vfs/nodes/local_entries.hpp"
#include "vfs/nodes/node_aliases.hpp"
#include "vfs/staging/holds.hpp"
#include "vfs/staging/staged_files.hpp"
#include "vfs/staging/staging_thread.hpp"

namespace imapfs::vfs {

class OriginalMessages {
 public:
  struct Dependencies {
    sync::Account& account;
    LocalEntries& entries;
    NodeAliases& aliases;
    StagedFiles& files;
    Holds& holds;
    StagingThread& thread;
  };
  explicit OriginalMessages(const Dependencies& dependencies) : use_(dependencies) {}

  /// What the message is by now: flags may have been set and names given since it was opened.
  void refresh(OriginalMessage& original) const;
  /// Where the file's bytes can be read: the message may have been moved since it was opened.
  void locate_source(StagedFile& file) const;
  /// Whether the file still has a name. Its message may be back: it was restored, or the server has refused to let it
  /// go. On its way out, to the trash too, it is not.
  void judge_name(StagedFile& file) const;
  /// Runs `job` when the message that the file is a version of is where it goes, or with an Error. The file is idle,
  /// and busy meanwhile.
  void follow(const StagedFilePtr& file, const std::function<void(Result<void>)>& job) const;

  /// The message of this node was removed, or another has taken its name.
  void message_gone(NodeId node) const;
  /// It has another name: the version that is written next has it too.
  void message_renamed(NodeId node, const std::string& name) const;

 private:
  [[nodiscard]] std::optional<LocalEntry> on_its_way(NodeId node) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
