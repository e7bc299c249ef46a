#pragma once
// A file on its way to the server, as a regular file.

#include "vfs/staging/staging.hpp"
#include "vfs/views/directory_listing.hpp"
#include "vfs/views/view.hpp"

namespace imapfs::vfs {

class StagedView : public View {
 public:
  explicit StagedView(const ViewDependencies& dependencies) : dependencies_(dependencies) {}

  void entry(const Node& node, Reply<Entry> reply) override;
  /// The mailbox, or the outbox.
  [[nodiscard]] NodeId parent(const Node& node) const override;
  void open(const Caller& caller, const Node& node, int flags, Reply<OpenResult> reply) override;
  void read(const Caller& caller, const Node& node, const ReadRequest& request, Reply<ReadResult> reply) override;
  void release(const Node& node, HandleId handle) override;

 private:
  const ViewDependencies dependencies_;
};

}  // namespace imapfs::vfs
