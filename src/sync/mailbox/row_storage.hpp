#pragma once
// The storage of MessageTable: packed rows in blocks, names in an arena, interned flags.
//
// Forty bytes per row plus the name's bytes. None of these classes locks; MessageTable does. Pointers to rows are valid
// until the next insert or remove, pointers to names until the next compaction.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "imapfs/model/types.hpp"

namespace imapfs::sync {

/// The bytes of names, in chunks that never move: growing copies nothing.
class NameArena {
 public:
  /// The copy stays in place until the arena is destroyed.
  const char* store(std::string_view name);
  /// A stored name of this length is no longer used.
  void discard(std::size_t length) { garbage_ += length; }
  /// Whether so much is unused that copying the rest into a new arena pays.
  [[nodiscard]] bool wasteful() const { return garbage_ > smallest_chunk && garbage_ > used_ / 2; }
  [[nodiscard]] std::size_t memory_bytes() const { return reserved_ + chunks_.capacity() * sizeof(chunks_[0]); }

 private:
  static constexpr std::size_t smallest_chunk = 4096;
  static constexpr std::size_t largest_chunk = 1 << 20;

  std::vector<std::unique_ptr<char[]>> chunks_;
  std::size_t left_in_chunk_ = 0;
  char* next_ = nullptr;
  std::size_t used_ = 0;
  std::size_t garbage_ = 0;
  std::size_t reserved_ = 0;
};

/// Keeps each distinct set of flags once, with its number of uses. A mailbox has few sets, but a hostile server may
/// send one per message; beyond a limit keywords are dropped and only system flags are kept.
class FlagInterner {
 public:
  using Index = std::uint32_t;
  Index acquire(const FlagSet& flags);
  void release(Index index);
  [[nodiscard]] const FlagSet& get(Index index) const { return *entries_[index].flags; }
  /// Whether acquire(flags) would return `index`.
  [[nodiscard]] bool is(Index index, const FlagSet& flags) const;
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct Less {
    bool operator()(const FlagSet& left, const FlagSet& right) const;
  };
  struct Entry {
    const FlagSet* flags = nullptr;  ///< the key in index_
    std::uint32_t uses = 0;
  };
  static constexpr std::size_t keyword_bytes_limit = 4 << 20;

  [[nodiscard]] FlagSet storable(const FlagSet& flags) const;

  std::map<FlagSet, Index, Less> index_;
  std::vector<Entry> entries_;
  std::vector<Index> free_;
  std::size_t keyword_bytes_ = 0;
};

/// One message. `name` points into the arena.
struct MessageRow {
  static constexpr std::uint64_t largest_size = (1ULL << 47) - 1;
  static constexpr std::size_t longest_name = 0xffff;

  const char* name = nullptr;
  UnixTime internal_date = 0;
  ModSeq modseq;
  std::uint64_t size : 47 = 0;
  std::uint64_t size_is_exact : 1 = 0;
  std::uint64_t name_length : 16 = 0;
  Uid uid;
  FlagInterner::Index flags = 0;

  [[nodiscard]] std::string_view file_name() const { return {name, static_cast<std::size_t>(name_length)}; }
};
static_assert(sizeof(MessageRow) == 40);

/// Rows sorted by UID, in blocks. Appending is O(1), an insertion moves at most one block (servers may send FETCH rows
/// in any order, even descending), and growth never copies the whole table.
class RowBlocks {
 public:
  [[nodiscard]] const MessageRow* find(Uid uid) const;
  [[nodiscard]] MessageRow* find(Uid uid);
  /// Inserts a row for a UID that is not there.
  MessageRow& insert(Uid uid);
  /// The highest UID; 0 without rows.
  [[nodiscard]] Uid last() const { return blocks_.empty() ? Uid{} : blocks_.back().back().uid; }
  void reserve(std::size_t rows) { blocks_.reserve(rows / block_rows + 1); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t memory_bytes() const;

  /// Calls visit(row) in order for rows with UID > `after` until it returns false; then returns false.
  template <class Visit>
  bool visit_after(Uid after, Visit&& visit) const {
    for (std::size_t block = block_of(after); block < blocks_.size(); ++block) {
      const auto& rows = blocks_[block];
      for (auto row = first_after(rows, after); row != rows.end(); ++row) {
        if (!visit(*row)) return false;
      }
    }
    return true;
  }
  /// Calls visit(row) for every row; it may change anything but the UID.
  template <class Visit>
  void visit_all(Visit&& visit) {
    for (auto& rows : blocks_) {
      for (auto& row : rows) visit(row);
    }
  }
  /// Removes the rows of `uids` in one pass; calls removed(row) before each removal.
  template <class Removed>
  void remove(const UidSet& uids, Removed&& removed);

 private:
  static constexpr std::size_t block_rows = 512;
  using Block = std::vector<MessageRow>;

  static Block::const_iterator first_after(const Block& rows, Uid after);
  /// The block that contains `uid` or would; 0 if there are no blocks.
  [[nodiscard]] std::size_t block_of(Uid uid) const;
  void split(std::size_t block);
  void drop_empty_blocks();

  std::vector<Block> blocks_;
  std::size_t size_ = 0;
};

template <class Removed>
void RowBlocks::remove(const UidSet& uids, Removed&& removed) {
  auto range = uids.ranges().begin();
  const auto ranges_end = uids.ranges().end();
  const auto doomed = [&](const MessageRow& row) {
    while (range != ranges_end && range->last < row.uid.value) ++range;
    return range != ranges_end && range->first <= row.uid.value;
  };
  if (range == ranges_end) return;
  for (std::size_t block = block_of(Uid{range->first}); block < blocks_.size() && range != ranges_end; ++block) {
    auto& rows = blocks_[block];
    auto kept = rows.begin();
    for (auto& row : rows) {
      if (doomed(row)) {
        removed(row);
      } else {
        *kept++ = row;
      }
    }
    size_ -= static_cast<std::size_t>(rows.end() - kept);
    rows.erase(kept, rows.end());
  }
  drop_empty_blocks();
}

}  // namespace imapfs::sync
