#pragma once
// Errors of changes that are found out in several places. Pure functions, any thread.

#include "imapfs/base/result.hpp"

namespace imapfs::sync {

[[nodiscard]] inline Error not_running() {
  return {ECANCELED, Scope::account, Retry::never, "the account is not running any more"};
}
[[nodiscard]] inline Error no_connection() {
  return {EHOSTUNREACH, Scope::session, Retry::later, "no connection to the server"};
}
/// Why an upload that has arrived leaves its file where it was: that holds a later version.
[[nodiscard]] inline Error changed_since_sent() {
  return {EINTR, Scope::message, Retry::never,
          "interrupted: an earlier version has reached the server, and this one has not been sent"};
}

}  // namespace imapfs::sync
