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

  /// Makes the directories (0700), empties tmp/. A directory that cannot be written to but holds bodies is opened all
  /// the same.
  static Result<std::shared_ptr<CacheDisk>> open(const std::string& directory, std::uint64_t pack_bytes);
  ~CacheDisk() = default;
  CacheDisk(const CacheDisk&) = delete;
  CacheDisk& operator=(const CacheDisk&) = delete;

  Result<Temporary> create_temporary();
  void remove_temporary(const std::string& name);
  /// Gives a temporary file its final name; readers see all of it or nothing.
  Result<void> publish(const std::string& temporary, const StoredBody& body);
  /// Puts a body whose bytes are all there into a pack and says in `body` where it is.
  Result<void> append(StoredBody& body, std::span<const char> bytes);
  /// The file that it is in, from `body.offset` on. Nothing, with errno, if it is not there. Of a pack: the caller
  /// looks again afterwards whether the index has the body, see BodyPacks.
  [[nodiscard]] std::shared_ptr<const OwnedDescriptor> open_body(const StoredBody& body);
  /// Notes in the file's times that it was used, or compared with its checksum.
  void persist_use(const StoredBody& body, int descriptor) const;
  void persist_verified(const StoredBody& body, int descriptor) const;
  /// What the index does not have any more.
  void remove(const StoredBody& body);
  void remove(const std::vector<StoredBody>& bodies);
  void remove_pack(PackNumber pack) { packs_.remove_pack(pack); }
  struct Folder {
    std::vector<StoredBody> bodies;
    std::vector<std::string> damaged;  ///< names of what is no body, or has not the length in its name
  };
  Folder scan(std::size_t shard) const;
  /// Removes those that are damaged.
  std::vector<StoredBody> scan_packs();
  void remove_damaged(std::size_t shard, const std::vector<std::string>& names) const;
  /// The last process is about to end. Nothing may be published afterwards.
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
