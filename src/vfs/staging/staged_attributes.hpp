#pragma once
// Flags and times that a user gives to a file which is not a message yet, or has become one a moment ago.
//
// INTERNALDATE is given by APPEND alone, so a time that comes after the upload of this process's own new file means
// another APPEND, after which the first message is removed for good. EPERM for the time of other messages. Thread
// "staging"; no state.

#include <optional>
#include <vector>

#include "vfs/nodes/node_aliases.hpp"
#include "vfs/staging/recent_uploads.hpp"
#include "vfs/staging/uploader.hpp"

namespace imapfs::vfs {

class StagedAttributes {
 public:
  struct Dependencies {
    sync::MessageChanger& changes;
    const LocalEntries& entries;
    const NodeAliases& aliases;
    Outbox& outbox;
    StagedFiles& files;
    StagingLimits& limits;
    ShownFiles& shown;
    const OriginalMessages& originals;
    const UploadDestinations& destinations;
    const ContentLoader& loader;
    const Uploader& uploader;
    const RecentUploads& recent;
    const StagedNews& kernel;
  };
  explicit StagedAttributes(const Dependencies& dependencies) : use_(dependencies) {}

  /// The message that the file is by now, and nothing was done; or nothing, and its APPEND will have the flags.
  void set_flags(NodeId node, const std::vector<FlagChange>& changes,
                 const Reply<std::optional<MessageLocation>>& reply) const;
  void set_time(NodeId node, Timestamp time, const Reply<void>& reply) const;

 private:
  [[nodiscard]] Result<void> note_flags(StagedFile& file, const std::vector<FlagChange>& changes) const;
  [[nodiscard]] Result<void> note_time(StagedFile& file, Timestamp time) const;
  void date_closed(NodeId node, Timestamp time, const Reply<void>& reply) const;
  void date_again(const StagedFilePtr& file, Timestamp time, const Reply<void>& reply) const;
  void append_again(const StagedFilePtr& file, const Completion<void>& done) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
