#pragma once
// What the file system sees of an account. vfs/ knows the mail only through these interfaces; ImapAccount puts
// together what implements them, tests/support has fakes.
//
// No call blocks. What is in memory is returned; what needs the network or the disk calls a Completion exactly once,
// from another thread or, when the answer is at hand, from within the call. Deadlines, interrupts and repeated calls
// are the caller's: a completion that nobody waits for any more is harmless.

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/sync/body_reader.hpp"
#include "imapfs/sync/mailbox_changer.hpp"
#include "imapfs/sync/mailbox_reader.hpp"
#include "imapfs/sync/message_changer.hpp"

namespace imapfs::sync {

struct Usage {
  std::uint64_t used_kib = 0;
  std::optional<std::uint64_t> limit_kib;  ///< none: the server tells no quota
};

class Account {
 public:
  virtual ~Account() = default;

  /// "user@host": seeds inode numbers.
  [[nodiscard]] virtual const std::string& name() const = 0;
  // These live as long as the account.
  [[nodiscard]] virtual MailboxReader& mailboxes() = 0;
  [[nodiscard]] virtual const MailboxReader& mailboxes() const = 0;
  [[nodiscard]] virtual BodyReader& bodies() = 0;
  [[nodiscard]] virtual MessageChanger& changes() = 0;
  [[nodiscard]] virtual MailboxChanger& mailbox_changes() = 0;
  virtual void usage(Completion<Usage> done) = 0;
  /// For /.imapfs/status: connections, mailboxes, sync state, cache, errors.
  [[nodiscard]] virtual nlohmann::json status() const = 0;
};

}  // namespace imapfs::sync
