#pragma once
// Who does an account's work, each with those it needs. Each part has its own state, threads and locks; see their
// headers. The order of the members is that of dependence: a part uses what lies above it; only listeners and
// completions use what lies below.

#include <memory>

#include "imapfs/sync/imap_account.hpp"
#include "sync/account_mailboxes.hpp"
#include "sync/account_usage.hpp"
#include "sync/bodies/bodies.hpp"
#include "sync/changes/change_requests.hpp"
#include "sync/changes/changes.hpp"
#include "sync/changes/flag_setter.hpp"
#include "sync/helper_thread.hpp"
#include "sync/mailbox/details_reader.hpp"
#include "sync/mailbox/idle_trust.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/message_finder.hpp"
#include "sync/mailbox/rights_questions.hpp"
#include "sync/mailbox/row_loader.hpp"
#include "sync/mailbox/status_news.hpp"
#include "sync/mailbox/sync_scheduler.hpp"
#include "sync/mailbox/watchers.hpp"
#include "sync/pool_news.hpp"
#include "sync/read_only_changes.hpp"
#include "sync/server.hpp"
#include "sync/store_writer.hpp"
#include "sync/tree/account_rights.hpp"
#include "sync/tree/account_tree.hpp"
#include "sync/tree/clearing_policy.hpp"
#include "sync/tree/tree_change_outcome.hpp"
#include "sync/tree/tree_changes.hpp"
#include "sync/tree/tree_creation.hpp"
#include "sync/tree/tree_removal.hpp"
#include "sync/tree/tree_renaming.hpp"
#include "sync/tree/tree_sync.hpp"

namespace imapfs::sync {

struct AccountParts {
  struct Given {
    SyncSettings settings;
    imap::SessionFactory factory;
    std::unique_ptr<store::MetadataStore> metadata;
    std::shared_ptr<store::MessageCache> bodies;
    std::shared_ptr<store::Journal> journal;
    Scheduler& scheduler;
    ChangeListener& listener;
  };

  explicit AccountParts(Given given);

  /// What changes something: there only with a journal.
  struct Writing {
    Writing(AccountParts& parts, store::Journal& journal);
    Changes changes;
    FlagSetter flags;
    ChangeRequests requests;
    TreeChangeOutcome outcome;
    ClearingPolicy clearing;
    TreeCreation creation;
    TreeRemoval removal;
    TreeRenaming renaming;
    TreeChanges tree_changes;
  };

  [[nodiscard]] Changes::Dependencies changes_dependencies(store::Journal& changes_journal);

  const SyncSettings settings;
  const imap::SessionFactory factory;
  const std::shared_ptr<store::MessageCache> cache;
  const std::shared_ptr<store::Journal> journal;  ///< null: read-only
  ChangeListener& listener;

  StoreWriter store;
  HelperThread helper;
  Server server;
  Mailboxes mailboxes;
  AccountTree tree;
  TreeSync tree_sync;
  RowLoader rows;
  SyncScheduler syncs;
  RightsQuestions rights_questions;
  MessageFinder finder;
  DetailsReader details;
  StatusNews status_news;
  IdleTrust idle_trust;
  Watchers watchers;
  Bodies bodies;
  AccountRights rights;
  AccountUsage usage;
  AccountMailboxes reader;
  const std::unique_ptr<Writing> writing;  ///< null: read-only
  ReadOnlyMessages read_only_messages;
  ReadOnlyMailboxes read_only_mailboxes;
  PoolNews pool_news;
};

}  // namespace imapfs::sync
