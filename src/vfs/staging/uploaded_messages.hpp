#pragma once
// What becomes of a staged file when the server has it: its node stands for the new message from there on, and the
// bytes stay for those who have the file open.
//
// Thread "staging"; no state.

#include "vfs/staging/file_places.hpp"
#include "vfs/staging/staged_news.hpp"
#include "vfs/staging/upload_destinations.hpp"

namespace imapfs::vfs {

class UploadedMessages {
 public:
  struct Dependencies {
    const sync::MailboxReader& mailboxes;
    LocalEntries& entries;
    DisplacedMessages& displaced;
    Outbox& outbox;
    const FilePlaces& places;
    ShownFiles& shown;
    const StagedNews& kernel;
  };
  explicit UploadedMessages(const Dependencies& dependencies) : use_(dependencies) {}

  /// `canonical_size`: of what the server was sent, with CRLF line ends.
  void arrived(const StagedFilePtr& file, const UploadDestination& destination, std::uint64_t canonical_size,
               const sync::Arrival& arrival) const;

 private:
  void clean(StagedFile& file) const;
  void arrived_somewhere(StagedFile& file) const;
  void show_entry(const StagedFile& file, const UploadDestination& destination) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
