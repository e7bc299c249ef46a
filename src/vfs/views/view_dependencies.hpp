#pragma once
// What views and operations work on. References outlive whoever gets them; all are safe to use from any thread.

#include "imapfs/sync/account.hpp"
#include "imapfs/vfs/types.hpp"
#include "vfs/news/seen_directories.hpp"
#include "vfs/nodes/local_entries.hpp"
#include "vfs/nodes/node_meaning.hpp"

namespace imapfs::vfs {

class Staging;

struct ViewDependencies {
  sync::Account& account;
  const Settings& settings;
  SeenDirectories& seen_directories;
  LocalEntries& entries;
  NodeResolver& nodes;
  Staging* staging;  ///< null where nothing can be written
};

}  // namespace imapfs::vfs
