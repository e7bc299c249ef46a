#pragma once
// Packs: files that hold many small bodies one after the other, so that a body read ahead costs two writes and no file
// of its own. Creating, opening and removing ten thousand files is most of what a first reading costs a disk.
//
//   <directory>/packs/<number, hex>        the bytes of bodies, one after the other
//   <directory>/packs/<number, hex>.list   a record per body: key, place, length, checksum, and the record's checksum
//
// Guarantees: a record is written after its bytes, so a killed process leaves whole bodies or bytes that nobody finds.
// Only the process that began a pack adds to it. A removed body loses its record at once; its bytes are given back to
// the disk when nobody reads the pack, or with the pack. An open pack stays readable after its removal. Not fsynced,
// like the whole cache: `StoredBody::verified` says what must be compared with its checksum. Threads: any. A lock is
// held during writes, but not during the open(2) of a pack for reading.

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
  /// Whether a body written at this time (nanoseconds since 1970) may be torn.
  using NeedsVerification = std::function<bool(std::int64_t written)>;

  /// `folder` is the folder of packs; a pack is full at `pack_bytes`.
  BodyPacks(OwnedDescriptor folder, std::uint64_t pack_bytes);

  /// Writes a body and stores its place in `body`. After an error no part of it can be found.
  Result<void> append(StoredBody& body, std::span<const char> bytes);
  /// A descriptor for reading, shared by all readers of the pack. Null, with errno, if there is no such pack.
  std::shared_ptr<const OwnedDescriptor> open(PackNumber pack);
  /// The body must already be out of the index.
  void remove(const StoredBody& body);
  void remove_pack(PackNumber pack);
  /// Gives the bytes of removed bodies back to the disk, except in packs that are being read.
  void erase_bytes_nobody_reads();
  /// What earlier processes left; within each pack the oldest record first.
  std::vector<StoredBody> scan(const NeedsVerification& needs_verification);
  /// Records that the pack was used now.
  void persist_use(PackNumber pack) const;
  /// Records that the body was found intact.
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
  Writing writing_;             ///< guarded by writing_mutex_; without descriptors, no pack is being written
  PackNumber next_number_ = 1;  ///< guarded by writing_mutex_

  /// The two mutexes are never held together.
  std::mutex reading_mutex_;
  // The rest is guarded by reading_mutex_.
  std::unordered_map<PackNumber, std::weak_ptr<const OwnedDescriptor>> open_;
  /// Kept open because most readers continue in the same pack.
  std::pair<PackNumber, std::shared_ptr<const OwnedDescriptor>> recent_;
  std::vector<StoredBody> removed_;  ///< bodies whose bytes are still in their packs
};

}  // namespace imapfs::store
