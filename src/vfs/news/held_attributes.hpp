#pragma once
// Files of whose corrected size the kernel is not told yet.
//
// A READ that comes back short makes the kernel shorten the file, unless its attributes were invalidated while the READ
// was under way: then the reader would get zeros up to the size it was shown. Held by any number of opens, counted.
// Thread-safe; its lock is a leaf.

#include <unordered_map>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

class HeldAttributes {
 public:
  void hold(NodeId node);
  /// True if that was the last holder, and news came meanwhile.
  [[nodiscard]] bool release(NodeId node);
  /// True if the file is held: the news is kept for release().
  [[nodiscard]] bool keep_news(NodeId node);

 private:
  struct Held {
    int holders = 0;
    bool news = false;
  };
  Guarded<std::unordered_map<NodeId, Held>> held_;
};

}  // namespace imapfs::vfs
