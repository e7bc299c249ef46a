#pragma once
// The messages of a mailbox in the order of their inode numbers. cp -r opens files in this order, and so do grep -r and
// find if there are more than 10,000. The numbers are hashes, so the order has nothing to do with UIDs. A snapshot:
// immutable, any thread. 16 bytes per message.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "imapfs/model/identity.hpp"
#include "sync/bodies/access_pattern.hpp"

namespace imapfs::sync {

class InodeOrder {
 public:
  InodeOrder(std::uint64_t inode_seed, const AccessPattern::Listing& listing) : seed_(inode_seed) {
    listing(Uid(), [&](const AccessPattern::Message& message) {
      entries_.push_back({message_inode(seed_, message.uid).value, message.uid, narrow(message.size)});
      return true;
    });
    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& left, const Entry& right) { return left.inode < right.inode; });
  }

  /// The place of a message, counted from 1, as a Uid, because AccessPattern works with Uids.
  [[nodiscard]] std::optional<Uid> place_of(Uid uid) const {
    const auto inode = message_inode(seed_, uid).value;
    const auto found = std::lower_bound(entries_.begin(), entries_.end(), inode,
                                        [](const Entry& entry, std::uint64_t wanted) { return entry.inode < wanted; });
    if (found == entries_.end() || found->uid != uid) return std::nullopt;
    return Uid{static_cast<std::uint32_t>(found - entries_.begin() + 1)};
  }
  [[nodiscard]] Uid at(Uid place) const { return entries_[place.value - 1].uid; }
  void visit(Uid after, const std::function<bool(const AccessPattern::Message&)>& visit) const {
    for (std::size_t i = after.value; i < entries_.size(); ++i) {
      if (!visit({Uid{static_cast<std::uint32_t>(i + 1)}, entries_[i].size})) return;
    }
  }

 private:
  struct Entry {
    std::uint64_t inode;
    Uid uid;
    std::uint32_t size;  ///< at most 4 GiB: larger messages are never fetched ahead
  };
  static std::uint32_t narrow(std::uint64_t size) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(size, UINT32_MAX));
  }

  const std::uint64_t seed_;
  std::vector<Entry> entries_;
};

}  // namespace imapfs::sync
