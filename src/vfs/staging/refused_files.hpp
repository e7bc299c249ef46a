#pragma once
// Files that the server, or we, refused for good: whoever uses the mount learns of it from the log, from .imapfs/events
// and from .imapfs/outbox, where the file stays until somebody renames or removes it.
//
// Thread "staging"; no state but what is in the files and in the Outbox.

#include <string>

#include "vfs/news/event_log.hpp"
#include "vfs/staging/drain_waiters.hpp"
#include "vfs/staging/file_stages.hpp"
#include "vfs/staging/staged_news.hpp"
#include "vfs/staging/upload_destinations.hpp"

namespace imapfs::vfs {

class RefusedFiles {
 public:
  struct Dependencies {
    const sync::MailboxReader& mailboxes;
    LocalEntries& entries;
    EventLog& events;
    Outbox& outbox;
    StagedFiles& files;
    ShownFiles& shown;
    DrainWaiters& waiters;
    const FileStages& stages;
    const UploadDestinations& destinations;
    const StagedNews& kernel;
  };
  explicit RefusedFiles(const Dependencies& dependencies) : use_(dependencies) {}

  /// Tells the user. What a tool will try again under its temporary name, or give up and remove, is not listed.
  void report(StagedFile& file, const UploadDestination& destination, const Error& error) const;
  /// A part of what was to be written (StagedFile::failed) is wanted by nobody: it goes where files go that the server
  /// refuses.
  void report_partial(StagedFile& file) const;
  /// Shows it in .imapfs/outbox.
  void list(const StagedFile& file, const std::string& reason) const;
  /// Of a refused file that is closed: its name in the mailbox goes, for the message is not there.
  void move_to_outbox(const StagedFilePtr& file) const;

 private:
  void keep(StagedFile& file, const std::string& path, const Error& error) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
