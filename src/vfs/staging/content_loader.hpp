#pragma once
// Brings the bytes of a file into the staging directory, where they can be changed: those of the message that it is a
// version of, of what was uploaded of it before, or none.
//
// Errors: the account's where the message has to be fetched, ENOSPC and EFBIG by the limits, the journal's. The file
// has what it had before then. Thread "staging"; a file whose message is fetched is busy meanwhile.

#include <cstdint>
#include <functional>
#include <memory>

#include "imapfs/sync/body_reader.hpp"
#include "vfs/staging/file_places.hpp"
#include "vfs/staging/original_messages.hpp"
#include "vfs/staging/staged_files.hpp"
#include "vfs/staging/staging_limits.hpp"
#include "vfs/staging/staging_thread.hpp"

namespace imapfs::vfs {

class ContentLoader {
 public:
  using Ready = std::function<void(Result<void>)>;
  struct Dependencies {
    sync::BodyReader& bodies;
    Outbox& outbox;
    StagedFiles& files;
    StagingLimits& limits;
    const FilePlaces& places;
    const OriginalMessages& originals;
    StagingThread& thread;
  };
  explicit ContentLoader(const Dependencies& dependencies) : use_(dependencies) {}

  /// Makes a row and an empty file for it.
  Result<void> stage(StagedFile& file) const;
  /// Opens what an earlier process, or a wait for the rest, has left closed.
  Result<void> open(StagedFile& file) const;
  /// Runs `job` with the file's bytes in the staging directory, or with the Error that prevented it.
  void with_content(const StagedFilePtr& file, const Ready& job) const;
  /// The same for who wants none of them.
  void with_empty_content(const StagedFilePtr& file, const Ready& job) const;
  /// The bytes of the message at `source`.
  void fetch(const StagedFilePtr& file, const Ready& job) const;

 private:
  Result<void> stage_copy(StagedFile& file, const std::shared_ptr<StagedContent>& bytes) const;
  void fetch_piece(const std::shared_ptr<StagedContent>& content, const std::shared_ptr<sync::Body>& body,
                   std::uint64_t offset, const Ready& job) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
