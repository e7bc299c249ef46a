#pragma once
// mkdir(2): CREATE of a mailbox, or a directory that is here only (local_directories.hpp).
//
// Any thread; never blocks, replies with no lock held.

#include <string>

#include "vfs/operations/name_lookup.hpp"
#include "vfs/views/view_dependencies.hpp"

namespace imapfs::vfs {

class MakeDirectoryOperation {
 public:
  /// `names` outlives this.
  MakeDirectoryOperation(const ViewDependencies& dependencies, const NameLookup& names)
      : dependencies_(dependencies), names_(names) {}

  /// Where something can be written.
  void make(const Node& parent, const std::string& name, Reply<Entry> reply);

 private:
  void make_free_name(MailboxId parent, const std::string& name, Reply<Entry> reply);

  const ViewDependencies dependencies_;
  const NameLookup& names_;
};

}  // namespace imapfs::vfs
