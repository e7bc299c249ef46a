#pragma once
// Messages that an editor has made a backup of: when something takes their old name, the message on the server is
// replaced, and its backup becomes a file of this machine.
//
// Before the upload its bytes are fetched into a file of their own; whoever uploads keeps that file or drops it.
// Thread "staging"; no state.

#include "vfs/nodes/node_aliases.hpp"
#include "vfs/staging/content_loader.hpp"
#include "vfs/staging/staged_news.hpp"
#include "vfs/staging/upload_destinations.hpp"

namespace imapfs::vfs {

class EditorBackups {
 public:
  struct Dependencies {
    LocalEntries& entries;
    NodeAliases& aliases;
    Outbox& outbox;
    StagedFiles& files;
    const FilePlaces& places;
    const ContentLoader& loader;
    const StagedNews& kernel;
  };
  explicit EditorBackups(const Dependencies& dependencies) : use_(dependencies) {}

  /// With the bytes of a message that is a backup and will be replaced, in a file of their own; null if there is no
  /// such message.
  void fetch(const StagedFile& file, const UploadDestination& destination, const Completion<StagedFilePtr>& then) const;
  /// The message is replaced: its backup is a file of this machine, under the node that the kernel knows. It has the
  /// flags and the date that it had as a message, which its successor has now, for whoever makes a message of it again.
  void keep(const StagedFilePtr& backup, const DisplacedMessage& displaced, const UploadDestination& successor) const;

 private:
  const Dependencies use_;
};

}  // namespace imapfs::vfs
