#pragma once
// The last seconds of a mount: changes that were accepted get time to reach the server.

#include <chrono>
#include <cstddef>
#include <string>

#include "imapfs/base/result.hpp"
#include "imapfs/store/journal.hpp"
#include "imapfs/sync/account.hpp"

namespace imapfs::app {

/// Blocks until every change that was accepted has ended: success. Otherwise why not: the account's own Error, ETIMEDOUT after `patience`, or
/// EINTR when one of SIGTERM, SIGINT and SIGHUP is to be read from `signals`, a signalfd (-1: none). Nothing is lost by that.
Result<void> await_last_changes(sync::Account& account, std::chrono::milliseconds patience, int signals);

/// What waits in a journal: "3 changes and 1 file"; empty if nothing does.
std::string describe_waiting(store::Journal& journal);

}  // namespace imapfs::app
