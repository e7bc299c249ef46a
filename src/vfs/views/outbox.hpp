#pragma once
// /.imapfs/outbox: files that were written and are not on the server, because it refused them or an earlier process
// ended. rm drops one, mv into a mailbox sends it again.

#include "vfs/staging/staging.hpp"
#include "vfs/views/staged.hpp"

namespace imapfs::vfs {

class OutboxView : public View {
 public:
  /// `staged` answers for the files in it.
  OutboxView(const ViewDependencies& dependencies, StagedView& staged);

  void lookup(const Caller& caller, const Node& parent, const std::string& name, Reply<Entry> reply) override;
  void entry(const Node& node, Reply<Entry> reply) override;
  [[nodiscard]] NodeId parent(const Node&) const override { return fixed_node(FixedNode::control_directory); }
  void open_directory(const Caller& caller, const Node& node, Reply<OpenDirectoryResult> reply) override;
  void list(const Caller& caller, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply) override;
  [[nodiscard]] Entry directory_entry() const;

 private:
  [[nodiscard]] std::vector<OutboxEntry> files() const;

  const ViewDependencies dependencies_;
  StagedView& staged_;
  const Timestamp mounted_;
};

}  // namespace imapfs::vfs
