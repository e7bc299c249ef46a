#pragma once
// Which message had a name a moment ago: an editor that saves a file renames or removes what was there, and then makes
// a new one of that name. To the user that is the same message, so the new one gets its flags, keywords and date.
//
// A name is remembered for `memory` after its message left it, and at most max_names of each mailbox, the newest. In
// memory only: after a restart nothing is inherited, and nothing is lost by that. Any thread; a leaf lock.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/executor.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

struct DisplacedMessage {
  MessageLocation message;
  MessageMeta meta;  ///< as it was when it left the name
  NodeId node;
  std::uint64_t generation = 1;
  /// The name that it got in the same mailbox, if that is what an editor calls a backup: when something takes its old
  /// name, the message on the server is replaced, and what is left of it is a file on this machine. Empty: it lives on
  /// as what it is, or is gone.
  std::string backup;
};

class DisplacedMessages {
 public:
  static constexpr std::chrono::minutes memory{1};
  static constexpr std::size_t max_names = 1024;

  void left(MailboxId mailbox, const std::string& name, DisplacedMessage message);
  [[nodiscard]] std::optional<DisplacedMessage> find(MailboxId mailbox, const std::string& name) const;
  /// Something has the name for good.
  void taken(MailboxId mailbox, const std::string& name);

 private:
  struct Left {
    DisplacedMessage message;
    SteadyClock::time_point since;
  };
  struct Mailbox {
    std::map<std::string, Left> names;
    std::deque<std::pair<SteadyClock::time_point, std::string>>
        order;  ///< the oldest first; may name what is there no more
  };
  Guarded<std::unordered_map<MailboxId, Mailbox>> mailboxes_;
};

}  // namespace imapfs::vfs
