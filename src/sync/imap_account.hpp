#pragma once
// An account on an IMAP server: builds the parts, starts and stops them in order, and answers Account by them.
//
// Each part has its own state, threads and locks; see their headers. The order of the members is that of dependence:
// whatever a part uses lies above it, but for what only listeners and completions use.

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "imapfs/sync/sync_engine.hpp"
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
#include "sync/server.hpp"
#include "sync/store_writer.hpp"
#include "sync/tree/account_rights.hpp"
#include "sync/tree/account_tree.hpp"
#include "sync/tree/clearing_policy.hpp"
#include "sync/tree/tree_change_outcome.hpp"
#include "sync/tree/tree_creation.hpp"
#include "sync/tree/tree_removal.hpp"
#include "sync/tree/tree_renaming.hpp"
#include "sync/tree/tree_sync.hpp"

namespace imapfs::sync {

class ImapAccount final : public SyncEngine {
 public:
  ImapAccount(EngineSettings settings, imap::SessionFactory factory, std::unique_ptr<store::MetadataStore> metadata,
              std::shared_ptr<store::MessageCache> bodies, std::shared_ptr<store::Journal> journal,
              Scheduler& scheduler, ChangeListener& listener);
  ~ImapAccount() override;

  // -- SyncEngine --
  Result<void> start(std::unique_ptr<imap::Session> first_session, const CallContext& context) override;
  void stop() override;
  void retry_now() override;

  // -- Account --
  [[nodiscard]] const std::string& name() const override { return settings_.account; }
  [[nodiscard]] std::shared_ptr<const MailboxTree> tree() const override { return tree_.tree(); }
  void freshen_tree(Completion<void> done) override { tree_sync_.freshen(std::move(done)); }
  [[nodiscard]] std::shared_ptr<const MessageTable> table(MailboxId mailbox) const override;
  [[nodiscard]] DirectoryTime directory_time(MailboxId mailbox) const override;
  void freshen(MailboxId mailbox, Completion<void> done) override;
  void await_rows(MailboxId mailbox, Uid after, Completion<void> done) override;
  void find_message(MailboxId mailbox, const std::string& name, Completion<MessageMeta> done) override;
  void find_message(MailboxId mailbox, Uid uid, Completion<MessageMeta> done) override;
  void details(MailboxId mailbox, Uid uid, Completion<MessageDetails> done) override;
  void open_body(MailboxId mailbox, Uid uid, Completion<std::shared_ptr<Body>> done) override;
  void open_body_at(MailboxId mailbox, Uid uid, std::uint64_t offset, std::size_t length,
                    Completion<std::shared_ptr<Body>> done) override;
  [[nodiscard]] bool open_can_wait(MailboxId mailbox, Uid uid) const override;
  [[nodiscard]] MailboxRights rights(MailboxId mailbox) const override { return rights_.of(mailbox); }
  [[nodiscard]] std::optional<std::uint64_t> append_limit() const override;
  void upload(const Upload& upload, Completion<Arrival> done) override;
  void copy_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) override;
  void move_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) override;
  void remove_message(const ChangeSource& source, ChangeReply reply) override;
  void expunge_message(const ChangeSource& source, ChangeReply reply) override;
  void restore_message(const ChangeSource& source, const std::string& file_name, ChangeReply reply) override;
  void set_flags(const MessageLocation& message, const FlagChange& change, Completion<void> done) override;
  void give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                 Completion<void> done) override;
  void create_mailbox(MailboxId parent, const std::string& component, Completion<MailboxId> done) override;
  void remove_mailbox(MailboxId mailbox, Completion<void> done) override;
  void rename_mailbox(MailboxId mailbox, MailboxId new_parent, const std::string& new_component,
                      Completion<void> done) override;
  void drain(MailboxId mailbox, Completion<void> done) override;
  [[nodiscard]] std::vector<PendingArrival> pending_arrivals() const override;
  void await_change(ChangeId change, Completion<Arrival> finished) override;
  void usage(Completion<Usage> done) override { usage_.tell(std::move(done)); }
  [[nodiscard]] nlohmann::json status() const override;

 private:
  /// What changes something: there only with a journal.
  struct Writing {
    Writing(ImapAccount& account, store::Journal& journal);
    Changes changes;
    ChangeRequests requests;
    FlagSetter flags;
    TreeChangeOutcome outcome;
    ClearingPolicy clearing;
    TreeCreation creation;
    TreeRemoval removal;
    TreeRenaming renaming;
  };

  [[nodiscard]] Changes::Dependencies changes_dependencies(store::Journal& journal);
  /// Connections that watchers get, each of which watches a mailbox.
  [[nodiscard]] std::size_t watch_budget(bool has_notify) const;
  /// With the other connections.
  void open_pool(std::size_t watches);

  const EngineSettings settings_;
  const imap::SessionFactory factory_;
  const std::shared_ptr<store::MessageCache> cache_;
  const std::shared_ptr<store::Journal> journal_;  ///< null: read-only
  ChangeListener& listener_;

  StoreWriter store_;
  HelperThread helper_;
  Server server_;
  Mailboxes mailboxes_;
  AccountTree tree_;
  TreeSync tree_sync_;
  RowLoader rows_;
  SyncScheduler syncs_;
  RightsQuestions rights_questions_;
  MessageFinder finder_;
  DetailsReader details_;
  StatusNews status_news_;
  IdleTrust idle_trust_;
  Watchers watchers_;
  Bodies bodies_;
  AccountRights rights_;
  AccountUsage usage_;
  const std::unique_ptr<Writing> writing_;  ///< null: read-only
  PoolNews pool_news_;
};

}  // namespace imapfs::sync
