#pragma once
// Packs: files that hold many small bodies one after the other, so that a body read ahead costs two writes and no file
// of its own. Creating, opening and removing ten thousand files is most of what a first reading costs a disk.
//
//   <directory>/packs/<number, hex>        the bytes of bodies, one after the other
//   <directory>/packs/<number, hex>.list   a record per body: key, place, length, checksum, and a checksum of the
//   record
//
// Guarantees: a record is written after the bytes it speaks of, so a process that is killed leaves whole bodies or
// ones that nobody finds. Packs are only added to, and only by the process that began them. What is removed leaves its
// record at once; its bytes are given back to the disk as soon as nobody reads that pack, or with the pack. A pack
// that was opened stays readable after its removal. Not fsynced, as all of the cache: `StoredBody::verified` says what
// must be compared with its checksum. Threads: any. A lock is held across writes, but not across the open(2) of a pack
// for reading.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "imapfs/base/result.hpp"
#include "store/cache/body_files.hpp"
#include "store/cache/body_index.hpp"

namespace imapfs::store {

class BodyPacks {
 public:
  /// Whether a body that was written then, in nanoseconds since 1970, may have been torn.
  using NeedsVerification = std::function<bool(std::int64_t written)>;

  /// `folder` is the folder of packs; a pack is full at `pack_bytes`.
  BodyPacks(OwnedDescriptor folder, std::uint64_t pack_bytes);

  /// Writes a body and says in `body` where it is. On an error nothing of it will be found.
  Result<void> append(StoredBody& body, std::span<const char> bytes);
  /// For reading, shared by all readers of the pack. Nothing, with errno, if it is not there.
  std::shared_ptr<const OwnedDescriptor> open(PackNumber pack);
  /// The index must not have the body any more.
  void remove(const StoredBody& body);
  void remove_pack(PackNumber pack);
  /// Gives the bytes of removed bodies back to the disk, as far as nobody reads their pack.
  void erase_bytes_nobody_reads();
  /// What earlier processes left, oldest record of each pack first.
  std::vector<StoredBody> scan(const NeedsVerification& needs_verification);
  /// Notes that the pack was used now.
  void persist_use(PackNumber pack) const;
  /// Notes that the body was found intact.
  void persist_verified(const StoredBody& body) const;

 private:
  struct Writing {
    PackNumber number = 0;
    OwnedDescriptor contents;
    OwnedDescriptor list;
    std::uint64_t end = 0;
    std::uint32_t records = 0;
  };
  Result<void> begin_pack();
  std::vector<StoredBody> read_list(PackNumber pack, const NeedsVerification& needs_verification) const;
  [[nodiscard]] std::vector<PackNumber> numbers() const;
  [[nodiscard]] OwnedDescriptor open_for_writing(const std::string& name) const;

  const OwnedDescriptor folder_;
  const std::uint64_t pack_bytes_;
  PackNumber first_own_ = 1;  ///< packs from here on were begun by this process

  std::mutex writing_mutex_;
  Writing writing_;             ///< guarded by writing_mutex_; no descriptors: none is being written
  PackNumber next_number_ = 1;  ///< guarded by writing_mutex_

  /// Never held together with the other one.
  std::mutex reading_mutex_;
  // The rest is guarded by reading_mutex_.
  std::unordered_map<PackNumber, std::weak_ptr<const OwnedDescriptor>> open_;
  /// Kept for the next reader: most go on in the same pack.
  std::pair<PackNumber, std::shared_ptr<const OwnedDescriptor>> recent_;
  std::vector<StoredBody> removed_;  ///< whose bytes are still there
};

}  // namespace imapfs::store
