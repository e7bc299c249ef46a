#include "sync/mailbox/row_storage.hpp"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

namespace imapfs::sync {

const char* NameArena::store(std::string_view name) {
  if (name.size() > left_in_chunk_) {
    // In proportion to the names so far: a mailbox of five messages must not cost a megabyte.
    const auto wanted = std::clamp(used_ / 8, smallest_chunk, largest_chunk);
    left_in_chunk_ = std::max(wanted, name.size());
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(left_in_chunk_));
    next_ = chunks_.back().get();
    reserved_ += left_in_chunk_;
  }
  char* stored = next_;
  if (!name.empty()) std::memcpy(stored, name.data(), name.size());
  next_ += name.size();
  left_in_chunk_ -= name.size();
  used_ += name.size();
  return stored;
}

namespace {

std::size_t keyword_bytes(const FlagSet& flags) {
  std::size_t bytes = 0;
  for (const auto& keyword : flags.keywords()) bytes += keyword.capacity() + sizeof(keyword);
  return bytes;
}

}  // namespace

bool FlagInterner::Less::operator()(const FlagSet& left, const FlagSet& right) const {
  if (left.system() != right.system()) return left.system() < right.system();
  return left.keywords() < right.keywords();
}

FlagSet FlagInterner::storable(const FlagSet& flags) const {
  FlagSet stored;
  const bool room = keyword_bytes_ + keyword_bytes(flags) <= keyword_bytes_limit;
  if (room) stored = flags;
  for (const auto flag :
       {SystemFlag::seen, SystemFlag::answered, SystemFlag::flagged, SystemFlag::deleted, SystemFlag::draft}) {
    if (flags.has(flag)) stored.add(flag);
  }
  if (stored.has(SystemFlag::recent)) stored.remove("\\Recent");
  return stored;
}

FlagInterner::Index FlagInterner::acquire(const FlagSet& flags) {
  auto found = index_.find(flags);
  bool is_new = false;
  if (found == index_.end()) std::tie(found, is_new) = index_.try_emplace(storable(flags), Index{0});
  if (is_new) {
    if (free_.empty()) {
      found->second = static_cast<Index>(entries_.size());
      entries_.emplace_back();
    } else {
      found->second = free_.back();
      free_.pop_back();
    }
    entries_[found->second] = Entry{&found->first, 0};
    keyword_bytes_ += keyword_bytes(found->first);
  }
  ++entries_[found->second].uses;
  return found->second;
}

void FlagInterner::release(Index index) {
  auto& entry = entries_[index];
  if (--entry.uses > 0) return;
  keyword_bytes_ -= keyword_bytes(*entry.flags);
  index_.erase(index_.find(*entry.flags));
  entry.flags = nullptr;
  free_.push_back(index);
}

bool FlagInterner::is(Index index, const FlagSet& flags) const {
  const auto& known = *entries_[index].flags;
  return known == flags || known == storable(flags);
}

std::size_t FlagInterner::memory_bytes() const {
  constexpr std::size_t node_overhead = 48;
  return index_.size() * (sizeof(FlagSet) + sizeof(Index) + node_overhead) + keyword_bytes_ +
         entries_.capacity() * sizeof(Entry) + free_.capacity() * sizeof(Index);
}

RowBlocks::Block::const_iterator RowBlocks::first_after(const Block& rows, Uid after) {
  return std::upper_bound(rows.begin(), rows.end(), after,
                          [](Uid uid, const MessageRow& row) { return uid < row.uid; });
}

std::size_t RowBlocks::block_of(Uid uid) const {
  const auto next = std::upper_bound(blocks_.begin(), blocks_.end(), uid,
                                     [](Uid wanted, const Block& rows) { return wanted < rows.front().uid; });
  return next == blocks_.begin() ? 0 : static_cast<std::size_t>(next - blocks_.begin()) - 1;
}

const MessageRow* RowBlocks::find(Uid uid) const {
  if (blocks_.empty() || uid.value == 0) return nullptr;
  const auto& rows = blocks_[block_of(uid)];
  const auto row = first_after(rows, Uid{uid.value - 1});
  return row != rows.end() && row->uid == uid ? &*row : nullptr;
}

MessageRow* RowBlocks::find(Uid uid) { return const_cast<MessageRow*>(std::as_const(*this).find(uid)); }

MessageRow& RowBlocks::insert(Uid uid) {
  auto block = block_of(uid);
  if (blocks_.empty()) {
    blocks_.emplace_back();
  } else if (blocks_[block].size() >= block_rows) {
    if (block + 1 == blocks_.size() && blocks_[block].back().uid < uid) {
      // The usual case, ascending UIDs: blocks stay full.
      blocks_.emplace_back().reserve(block_rows);
    } else {
      split(block);
    }
    block = blocks_[block + 1].empty() || blocks_[block + 1].front().uid < uid ? block + 1 : block;
  }
  auto& rows = blocks_[block];
  const auto place = rows.empty() || rows.back().uid < uid ? rows.cend() : first_after(rows, uid);
  ++size_;
  auto& row = *rows.emplace(place);
  row.uid = uid;
  return row;
}

void RowBlocks::split(std::size_t block) {
  auto& full = blocks_[block];
  const auto middle = full.begin() + static_cast<std::ptrdiff_t>(full.size() / 2);
  Block upper;
  upper.reserve(block_rows);
  upper.assign(middle, full.end());
  full.erase(middle, full.end());
  blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(block) + 1, std::move(upper));
}

void RowBlocks::drop_empty_blocks() {
  std::erase_if(blocks_, [](const Block& rows) { return rows.empty(); });
  for (auto& rows : blocks_) {
    if (rows.size() < block_rows / 8 && rows.capacity() > block_rows / 2) rows.shrink_to_fit();
  }
}

std::size_t RowBlocks::memory_bytes() const {
  std::size_t bytes = blocks_.capacity() * sizeof(Block);
  for (const auto& rows : blocks_) bytes += rows.capacity() * sizeof(MessageRow);
  return bytes;
}

}  // namespace imapfs::sync
