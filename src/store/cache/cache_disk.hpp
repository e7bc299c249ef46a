#pragma once
// The directories of the body cache and every system call on them.
//
//   <directory>/bodies/<2 hex>/<name>   bodies with a file of their own, see StoredBody
//   <directory>/packs/                  small bodies, many in a file, see BodyPacks
//   <directory>/tmp/<number>            bodies being written; all removed at the next start
//   and the files of CacheMarks
//
// Threads: any, no lock is needed.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "imapfs/base/result.hpp"
#include "store/cache/body_files.hpp"
#include "store/cache/body_index.hpp"
#include "store/cache/body_packs.hpp"
#include "store/cache/cache_marks.hpp"

namespace imapfs::store {

class CacheDisk {
 public:
  struct Temporary {
    OwnedDescriptor descriptor;
    std::string name;
  };

  /// Creates the directories (0700) and empties tmp/. Also opens a read-only directory that holds bodies.
  static Result<std::shared_ptr<CacheDisk>> open(const std::string& directory, std::uint64_t pack_bytes);
  ~CacheDisk() = default;
  CacheDisk(const CacheDisk&) = delete;
  CacheDisk& operator=(const CacheDisk&) = delete;

  Result<Temporary> create_temporary();
  void remove_temporary(const std::string& name);
  /// Gives a temporary file its final name: readers see all of it or nothing.
  Result<void> publish(const std::string& temporary, const StoredBody& body);
  /// Puts a complete body into a pack and stores its place in `body`.
  Result<void> append(StoredBody& body, std::span<const char> bytes);
  /// Opens the file of a body, whose bytes begin at `body.offset`. Null, with errno, if it is not there. For a body in
  /// a pack the caller must then check again that the index has the body; see BodyPacks.
  [[nodiscard]] std::shared_ptr<const OwnedDescriptor> open_body(const StoredBody& body);
  /// Records in the file's times that it was used, or compared with its checksum.
  void persist_use(const StoredBody& body, int descriptor) const;
  void persist_verified(const StoredBody& body, int descriptor) const;
  /// The bodies must already be out of the index.
  void remove(const StoredBody& body);
  void remove(const std::vector<StoredBody>& bodies);
  void remove_pack(PackNumber pack) { packs_.remove_pack(pack); }
  struct Folder {
    std::vector<StoredBody> bodies;
    std::vector<std::string>
        damaged;  ///< names of files that are no bodies, or have another length than their name says
  };
  Folder scan(std::size_t shard) const;
  /// Also removes packs without an intact record.
  std::vector<StoredBody> scan_packs();
  void remove_damaged(std::size_t shard, const std::vector<std::string>& names) const;
  /// The process is about to end. Nothing may be published afterwards.
  void close_cleanly();

 private:
  struct Folders {
    OwnedDescriptor directory, bodies, temporary, packs;
  };
  CacheDisk(Folders folders, std::uint64_t pack_bytes);
  void empty_temporary();

  CacheMarks marks_;
  OwnedDescriptor bodies_;
  OwnedDescriptor temporary_;
  BodyPacks packs_;
  std::atomic<std::uint64_t> next_temporary_{1};
};

}  // namespace imapfs::store
