#pragma once
// How much the account holds, for statfs: the server's quota, or the sum of what is known of its messages.
//
// Kept for `refresh`; while there is no connection, for as long as that lasts. Any thread; one lock, a leaf.

#include <optional>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/sync/account.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/server.hpp"

namespace imapfs::sync {

class AccountUsage {
 public:
  AccountUsage(Server& server, const Mailboxes& mailboxes, SteadyClock::duration refresh)
      : server_(server), mailboxes_(mailboxes), refresh_(refresh) {}
  AccountUsage(const AccountUsage&) = delete;
  AccountUsage& operator=(const AccountUsage&) = delete;

  /// Calls `done` exactly once, never with an Error.
  void tell(Completion<Usage> done);

 private:
  struct Measured {
    std::optional<Usage> usage;
    SteadyClock::time_point when;
  };
  void finish(const Usage& usage);
  [[nodiscard]] Usage sum_of_sizes() const;

  Server& server_;
  const Mailboxes& mailboxes_;
  const SteadyClock::duration refresh_;
  Guarded<Measured> measured_;
  SingleFlight<int, Completion<Usage>> flight_;
};

}  // namespace imapfs::sync
