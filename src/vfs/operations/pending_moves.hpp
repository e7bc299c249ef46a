#pragma once
// Messages on their way to a mailbox by a move: the name they will have is a local entry from the moment the move is
// accepted, under the node by which the kernel knows the message, and the node stands for the new message once it has
// arrived.
//
// Any thread; the caller's reply comes when the account has accepted the move, with no lock held.

#include "vfs/news/kernel_publisher.hpp"
#include "vfs/operations/name_lookup.hpp"
#include "vfs/views/view_dependencies.hpp"

namespace imapfs::vfs {

class PendingMoves {
 public:
  /// `kernel` outlives this.
  PendingMoves(const ViewDependencies& dependencies, KernelPublisher& kernel)
      : dependencies_(dependencies), kernel_(kernel) {}

  /// Moves a message, or one that is itself on its way (kind pending).
  void move(const NamedFile& file, const sync::ArrivalTarget& target, Reply<void> reply);
  /// Completes with the message that a pending file has become; at once for one that is there.
  void await(const NamedFile& file, Completion<NamedFile> done);

 private:
  void accepted(const NamedFile& file, const sync::ArrivalTarget& target, sync::ChangeId change);
  void ended(const NamedFile& file, sync::ChangeId change, const Result<sync::Arrival>& arrival);

  const ViewDependencies dependencies_;
  KernelPublisher& kernel_;
};

}  // namespace imapfs::vfs
