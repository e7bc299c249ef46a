#pragma once
// An account on an IMAP server, kept in step with it: builds the parts, starts and stops them in order. The parts do
// the work behind Account's interfaces.
//
// Threads: calls from vfs return at once; network work runs on pool and watch threads, SQLite on the thread "store".
// Start after the fork.

#include <memory>
#include <string>

#include "imapfs/imap/session.hpp"
#include "imapfs/store/message_cache.hpp"
#include "imapfs/store/metadata_store.hpp"
#include "imapfs/sync/account.hpp"
#include "imapfs/sync/change_listener.hpp"
#include "imapfs/sync/sync_settings.hpp"

namespace imapfs::sync {

struct AccountParts;

class ImapAccount final : public Account {
 public:
  /// `journal` may be null: then every change answers EROFS. `listener` outlives the account.
  ImapAccount(SyncSettings settings, imap::SessionFactory factory, std::unique_ptr<store::MetadataStore> metadata,
              std::shared_ptr<store::MessageCache> bodies, std::shared_ptr<store::Journal> journal,
              Scheduler& scheduler, ChangeListener& listener);
  ~ImapAccount() override;
  ImapAccount(const ImapAccount&) = delete;
  ImapAccount& operator=(const ImapAccount&) = delete;

  /// Reads namespaces and the mailbox list (through `first_session`, which then joins the pool; null: from the store)
  /// and starts watching. Blocks; call before the mount is announced. Fails if there is neither a session nor a stored
  /// list.
  Result<void> start(std::unique_ptr<imap::Session> first_session, const CallContext& context);
  /// Ends watchers, pool and store worker; what waits fails with ECANCELED.
  void stop();
  /// SIGUSR1 and "network is back": forget back-offs.
  void retry_now();

  // -- Account --
  [[nodiscard]] const std::string& name() const override;
  [[nodiscard]] MailboxReader& mailboxes() override;
  [[nodiscard]] const MailboxReader& mailboxes() const override;
  [[nodiscard]] BodyReader& bodies() override;
  [[nodiscard]] MessageChanger& changes() override;
  [[nodiscard]] MailboxChanger& mailbox_changes() override;
  void usage(Completion<Usage> done) override;
  [[nodiscard]] nlohmann::json status() const override;

 private:
  const std::unique_ptr<AccountParts> parts_;
};

}  // namespace imapfs::sync
