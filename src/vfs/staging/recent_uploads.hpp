#pragma once
// Files that were uploaded and closed a moment ago: their times may still be set (python's copy2, restic), and they may
// be renamed onto another message. Bytes of small ones are kept for that.
//
// Bounded: of more than can be kept the oldest are forgotten, and their bytes before them. Thread "staging"; no lock.

#include <cstdint>
#include <list>
#include <memory>

#include "vfs/nodes/local_entries.hpp"
#include "vfs/staging/original_messages.hpp"
#include "vfs/staging/shown_files.hpp"
#include "vfs/staging/staged_files.hpp"

namespace imapfs::vfs {

class RecentUploads {
 public:
  struct Dependencies {
    const LocalEntries& entries;
    StagedFiles& files;
    ShownFiles& shown;
    const OriginalMessages& originals;
  };
  explicit RecentUploads(const Dependencies& dependencies) : use_(dependencies) {}

  void remember(const StagedFile& file);
  /// Whether the file was closed after `oldest` and is not forgotten.
  [[nodiscard]] bool knows(NodeId node, SteadyClock::time_point oldest = SteadyClock::time_point::min()) const;
  /// The file of a message that it knows, as it was before it was closed.
  [[nodiscard]] StagedFilePtr reopen(NodeId node, const MessageLocation& message) const;

 private:
  struct Uploaded {
    NodeId node;
    std::shared_ptr<StagedContent> content;  ///< null if it is too large to be kept
    SteadyClock::time_point since = SteadyClock::now();
  };
  static constexpr std::size_t max_uploaded = 4096;
  static constexpr std::size_t max_kept = 64;
  static constexpr std::uint64_t max_kept_bytes = 16ULL << 20;

  [[nodiscard]] std::list<Uploaded>::const_iterator find(NodeId node) const;
  void forget(std::list<Uploaded>::const_iterator uploaded);
  void release(Uploaded& uploaded);
  void keep_within_bounds();

  const Dependencies use_;
  std::list<Uploaded> uploaded_;  ///< the newest last; one of a node
  std::uint64_t kept_bytes_ = 0;
};

}  // namespace imapfs::vfs
