#pragma once
// The names of a mailbox: its id, its path below the mount, and its names in the store and on the server.

#include <string>

#include "imapfs/imap/session.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::sync {

struct MailboxIdentity {
  MailboxId id;
  std::string path;
  std::string name;  ///< UTF-8 name: the store's key
  imap::WireName wire_name;
};

}  // namespace imapfs::sync
