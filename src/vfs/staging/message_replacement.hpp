#pragma once
// A message that this process has uploaded a moment ago under another name takes the place of another one, or of a name
// that a message had a moment ago: as with a file that is renamed so before it is uploaded, it gets flags and date of
// what it takes the place of, by another upload.
//
// Thread "staging"; no state.

#include <optional>
#include <string>

#include "vfs/staging/recent_uploads.hpp"
#include "vfs/staging/uploader.hpp"

namespace imapfs::vfs {

class MessageReplacement {
 public:
  struct Dependencies {
    sync::MessageChanger& changes;
    LocalEntries& entries;
    const DisplacedMessages& displaced;
    Outbox& outbox;
    StagedFiles& files;
    StagingLimits& limits;
    const OriginalMessages& originals;
    const UploadDestinations& destinations;
    const ContentLoader& loader;
    const Uploader& uploader;
    const RecentUploads& recent;
    const FlagSet& append_flags;  ///< Settings::append_flags
  };
  explicit MessageReplacement(const Dependencies& dependencies) : use_(dependencies) {}

  /// False, and nothing happens, if `own` is no such message or there is nothing to take over.
  void take_place(const OriginalMessage& own, const std::string& name, const std::optional<OriginalMessage>& target,
                  const Reply<bool>& reply) const;

 private:
  [[nodiscard]] UploadDestination destination(OriginalMessage own, const std::string& name,
                                              std::optional<OriginalMessage> target,
                                              const std::optional<DisplacedMessage>& displaced) const;
  void replace(const StagedFilePtr& file, const UploadDestination& destination, const Reply<bool>& reply) const;
  void upload(const StagedFilePtr& file, const UploadDestination& destination, const Completion<bool>& done) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
