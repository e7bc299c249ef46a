#include "sync/changes/arrival_guard.hpp"

#include <utility>

namespace imapfs::sync {

ArrivalGuard::ArrivalGuard(MailboxPointer destination) : destination_(std::move(destination)) {
  destination_->replica.begin_arrivals();
}

ArrivalGuard::~ArrivalGuard() {
  destination_->replica.end_arrivals(destination_->replica.table()->uid_validity(), {});
  destination_->replica.publish();
}

}  // namespace imapfs::sync
