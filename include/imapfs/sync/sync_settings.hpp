#pragma once
// What the user may choose of an account's part in a mount; see imapfs(1).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "imapfs/base/executor.hpp"
#include "imapfs/imap/backoff.hpp"
#include "imapfs/mime/names.hpp"

namespace imapfs::sync {

/// on-delete=. automatic: flag, but trash where flagging does not delete (Gmail's labels).
enum class RemovalPolicy : std::uint8_t { automatic, flag, trash, expunge };

struct SyncSettings {
  std::string account;       ///< "user@host"
  mime::NameTemplate names;  ///< parsed by app
  std::chrono::seconds refresh{60};
  std::size_t connections = 4;  ///< in all; 1: no watcher, poll through the pool
  bool watch = true;            ///< IDLE / NOTIFY / poll at all
  std::chrono::seconds idle_renewal{540};
  std::chrono::seconds poll_interval{60};
  SteadyClock::duration timeout = std::chrono::seconds(30);
  /// imap::ConnectGate::Settings::grace: so long who waits is not told that there is no connection.
  SteadyClock::duration reconnect_grace = imap::ConnectGate::Settings{}.grace;
  RemovalPolicy removal = RemovalPolicy::automatic;
  bool write_behind = true;  ///< false (-o sync): a change is accepted when the server has carried it out
  std::uint64_t whole_fetch_limit = 1 << 20;  ///< larger messages are fetched in ranges
};

}  // namespace imapfs::sync
