#pragma once
// The root: the account's top-level mailboxes, and the hidden ".imapfs".

#include "vfs/views/directory_listing.hpp"
#include "vfs/views/listing_versions.hpp"
#include "vfs/views/view.hpp"

namespace imapfs::vfs {

class AccountRootView : public View {
 public:
  /// `control` outlives this view.
  AccountRootView(const ViewDependencies& dependencies, View& control)
      : dependencies_(dependencies), control_(control) {}

  /// A name that is not in the tree costs at most one LIST per refresh interval: another client may just have created
  /// it.
  void lookup(const Caller& caller, const Node& parent, const std::string& name, Reply<Entry> reply) override;
  void entry(const Node& node, Reply<Entry> reply) override;
  [[nodiscard]] NodeId parent(const Node&) const override { return root_node; }
  void open_directory(const Caller& caller, const Node& node, Reply<OpenDirectoryResult> reply) override;
  void list(const Caller& caller, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply) override;

 private:
  const ViewDependencies dependencies_;
  View& control_;
  ListingVersions versions_;
};

}  // namespace imapfs::vfs
