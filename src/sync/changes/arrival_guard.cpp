#include "sync/changes/arrival_guard.hpp"

#include <utility>

namespace imapfs::sync {

ArrivalGuard::ArrivalGuard(MailboxPointer destination) : destination_(std::move(destination)) {
  destination_->replica.own_changes().begin_arrivals();
}

ArrivalGuard::~ArrivalGuard() {
  destination_->replica.own_changes().end_arrivals(destination_->replica.table()->uid_validity(), {});
  destination_->replica.news().publish();
}

}  // namespace imapfs::sync
