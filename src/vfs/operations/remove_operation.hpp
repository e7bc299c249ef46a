#pragma once
// unlink and rmdir: what removing a name means for each kind of file.
//
// Any thread; replies when the account has accepted the change, with no lock held.

#include "vfs/operations/name_lookup.hpp"
#include "vfs/staging/staging.hpp"
#include "vfs/views/message_reader.hpp"
#include "vfs/views/view_dependencies.hpp"

namespace imapfs::vfs {

class RemoveOperation {
 public:
  /// All but `dependencies` outlive this.
  RemoveOperation(const ViewDependencies& dependencies, const NameLookup& names, MessageReader& messages)
      : dependencies_(dependencies), names_(names), messages_(messages) {}

  /// A message is removed by the mount's policy, one in .deleted for good, a staged file is dropped.
  void unlink(const Caller& caller, const Node& parent, const std::string& name, Reply<void> reply);
  /// ENOTEMPTY as long as something is on its way into the mailbox.
  void rmdir(const Node& parent, const std::string& name, Reply<void> reply);

 private:
  void remove(const Caller& caller, const NamedFile& file, Reply<void> reply);
  void remove_message(const NamedFile& file, const Staging::Hold& hold, Reply<void> reply);
  void removed(const NamedFile& file) const;

  const ViewDependencies dependencies_;
  const NameLookup& names_;
  MessageReader& messages_;
};

}  // namespace imapfs::vfs
