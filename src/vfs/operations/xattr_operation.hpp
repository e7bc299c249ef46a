#pragma once
// Extended attributes: all can be read, flags of messages can be set.
//
// Any thread; never blocks, replies with no lock held.

#include <string>
#include <vector>

#include "vfs/staging/staging.hpp"
#include "vfs/views/node_views.hpp"
#include "vfs/views/view_dependencies.hpp"

namespace imapfs::vfs {

class XattrOperation {
 public:
  /// `views` outlives this.
  XattrOperation(const ViewDependencies& dependencies, NodeViews& views) : dependencies_(dependencies), views_(views) {}

  void get(NodeId node, const std::string& name, Reply<std::string> reply);
  void list(NodeId node, Reply<std::string> reply);
  void set(const Caller& caller, NodeId node, const std::string& name, const std::string& value, Reply<void> reply);
  void remove(NodeId node, const std::string& name, Reply<void> reply);

 private:
  void set_flags_of_staged(NodeId node, const std::vector<FlagChange>& changes, Reply<void> reply);
  void set_flags_of_message(NodeId node, const std::vector<FlagChange>& changes, Reply<void> reply);

  const ViewDependencies dependencies_;
  NodeViews& views_;
};

}  // namespace imapfs::vfs
