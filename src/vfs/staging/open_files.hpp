#pragma once
// Making, opening and releasing of staged files.
//
// A message that is opened for writing stays what it is: its content is the message's until it is truncated or written
// to, and is fetched only if it is needed. Thread "staging".

#include <string>

#include "vfs/staging/file_bytes.hpp"

namespace imapfs::vfs {

class OpenFiles {
 public:
  struct Dependencies {
    const sync::MailboxReader& mailboxes;
    const Settings& settings;
    LocalEntries& entries;
    const DisplacedMessages& displaced;
    StagedFiles& files;
    StagingLimits& limits;
    ShownFiles& shown;
    Holds& holds;
    const OriginalMessages& originals;
    const ContentLoader& loader;
    const FileBytes& bytes;
  };
  explicit OpenFiles(const Dependencies& dependencies) : use_(dependencies) {}

  void create(const Caller& caller, MailboxId mailbox, const std::string& name, const Reply<CreateResult>& reply);
  void open_message(const Caller& caller, const OriginalMessage& original, int flags, const Reply<OpenResult>& reply);
  void open_staged(const Caller& caller, NodeId node, int flags, const Reply<OpenResult>& reply);
  void release(NodeId node, HandleId handle) const;

 private:
  [[nodiscard]] StagedFilePtr new_file(MailboxId mailbox, const std::string& name) const;
  [[nodiscard]] bool add_entry(const StagedFile& file) const;
  [[nodiscard]] HandleId new_handle(StagedFile& file, const Caller& caller, bool writes);
  [[nodiscard]] Result<StagedFilePtr> file_of(const OriginalMessage& original, int flags) const;
  void open_after_hold(const Caller& caller, const OriginalMessage& original, int flags,
                       const Reply<OpenResult>& reply);
  void add_handle(const StagedFilePtr& file, const Caller& caller, int flags, const Reply<OpenResult>& reply);

  const Dependencies use_;
  HandleId last_handle_ = 0;
};

}  // namespace imapfs::vfs
