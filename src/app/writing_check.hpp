#pragma once
// What `imapfs --check` says about writing: how a server's capabilities decide what moves and removals are. Pure.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "imapfs/imap/server_traits.hpp"
#include "imapfs/sync/sync_settings.hpp"

namespace imapfs::app {

/// What the server was asked.
struct WritingFacts {
  std::string trash;                  ///< the \Trash mailbox's name; empty if there is none
  std::optional<std::string> rights;  ///< MYRIGHTS of INBOX; none without ACL
};

/// Labels and what to print beside them.
std::vector<std::pair<std::string, std::string>> describe_writing(const imap::ServerTraits& traits,
                                                                  const WritingFacts& facts,
                                                                  sync::RemovalPolicy policy);

}  // namespace imapfs::app
