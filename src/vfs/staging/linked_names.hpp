#pragma once
// Temporary names whose files have got their final names by link(2): the file is not there any more, but the program
// that delivered it removes its temporary name next, and the kernel still knows it.
//
// Bounded: of more than can be kept the oldest are forgotten, and their unlink(2) is ENOENT. Threads: any.

#include <algorithm>
#include <deque>
#include <string>
#include <utility>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

class LinkedNames {
 public:
  void add(NodeId directory, const std::string& name) {
    names_.with_lock([&](Names& names) {
      names.emplace_back(directory, name);
      if (names.size() > most_kept) names.pop_front();
    });
  }
  /// Whether it was there; it is not afterwards.
  bool take(NodeId directory, const std::string& name) {
    return names_.with_lock([&](Names& names) {
      const auto found = std::find(names.begin(), names.end(), std::pair(directory, name));
      if (found == names.end()) return false;
      names.erase(found);
      return true;
    });
  }

 private:
  using Names = std::deque<std::pair<NodeId, std::string>>;
  static constexpr std::size_t most_kept = 1000;
  Guarded<Names> names_;
};

}  // namespace imapfs::vfs
