#pragma once
// What moves, copies and uploads are still to bring, as the file system lists it meanwhile. Any thread.

#include <vector>

#include "sync/changes/change_table.hpp"
#include "sync/changes/locations.hpp"

namespace imapfs::sync {

/// As MessageChanger::pending_arrivals().
[[nodiscard]] std::vector<PendingArrival> list_pending_arrivals(const SharedChangeTable& table,
                                                                const Locations& locations);

}  // namespace imapfs::sync
