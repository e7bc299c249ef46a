#pragma once
// setattr: what may be set is content and, of new files, the time; everything else stays what it is, and setting it to
// that succeeds.
//
// Any thread; never blocks, replies with no lock held.

#include "vfs/operations/open_operation.hpp"
#include "vfs/staging/staging.hpp"
#include "vfs/views/node_views.hpp"

namespace imapfs::vfs {

class AttributeOperation {
 public:
  /// All outlive this. `staging` is null where nothing can be written.
  AttributeOperation(NodeViews& views, Staging* staging, OpenOperation& opening)
      : views_(views), staging_(staging), opening_(opening) {}

  void get(NodeId node, Reply<AttributesReply> reply);
  void set(const Caller& caller, NodeId node, const AttributeChanges& changes, Reply<AttributesReply> reply);

 private:
  struct Operation;
  using OperationPtr = std::shared_ptr<const Operation>;

  void resize(const OperationPtr& operation);
  void resize_closed(const OperationPtr& operation);
  void truncate_opened(const OperationPtr& operation, HandleId handle);
  void set_times(const OperationPtr& operation);

  NodeViews& views_;
  Staging* const staging_;
  OpenOperation& opening_;
};

}  // namespace imapfs::vfs
