#pragma once
// When a mailbox is brought in step with the server, by whom, and who waits for it.
//
// A sync runs for somebody who lists (freshen, await_rows), for a hint that the server has something new, or for a
// change that must see its outcome (bring_in_step). One sync at a time per mailbox, kept by its SyncGate; syncs run on
// the pool, in steps that let others in between, or on a watcher's session, which brackets them by begin() and end().
// Hints that bring nothing cost a pause that grows: a server may give one with every command.
//
// Completions are called exactly once, from any thread, with no lock held. Errors are those of the sync; a mailbox that
// is listed completely and cannot be checked is good enough for freshen(). Any thread; no lock of its own.

#include <cstdint>
#include <functional>
#include <memory>

#include "imapfs/store/message_cache.hpp"
#include "sync/helper_thread.hpp"
#include "sync/mailbox/mailbox.hpp"
#include "sync/mailbox/mailbox_list_listener.hpp"
#include "sync/mailbox/mailbox_sync.hpp"
#include "sync/mailbox/row_loader.hpp"
#include "sync/server.hpp"

namespace imapfs::sync {

class SyncScheduler {
 public:
  struct Settings {
    SteadyClock::duration refresh;  ///< a check is good for so long where nobody watches
    SteadyClock::duration poll_interval;
    SteadyClock::duration timeout;
  };
  struct Dependencies {
    Server& server;
    RowLoader& rows;
    HelperThread& helper;
    store::MessageCache& bodies;
    MailboxListListener& list_listener;
  };

  SyncScheduler(Settings settings, Dependencies dependencies) : settings_(settings), dependencies_(dependencies) {}
  SyncScheduler(const SyncScheduler&) = delete;
  SyncScheduler& operator=(const SyncScheduler&) = delete;

  // -- for those who list; see Account --
  void freshen(const MailboxPointer& mailbox, Completion<void> done);
  void await_rows(const MailboxPointer& mailbox, Uid after, Completion<void> done);
  /// Completes when the mailbox is listed, or cannot be.
  void list(const MailboxPointer& mailbox, Completion<void> done);
  /// Listed completely, checked lately, and no hint since then.
  [[nodiscard]] bool is_fresh(const MailboxPointer& mailbox) const;
  /// Listed completely, and watched or checked within `refresh`; there may be news that are not in the table yet.
  [[nodiscard]] bool was_checked_lately(const MailboxPointer& mailbox) const;

  // -- for those who hear of something --
  /// The server hinted at something new: a sync follows if rows are held.
  void hint(const MailboxPointer& mailbox);
  /// Looks in the background, whatever is known. `done`: the sync has ended that runs then.
  void check(const MailboxPointer& mailbox, Completion<void> done);
  /// Completes when a sync has ended that began after this call.
  void bring_in_step(const MailboxPointer& mailbox, Completion<void> done);
  /// The server gives the UIDs to other messages than before: rows and cached bodies are forgotten, and a sync begins.
  void list_anew(const MailboxPointer& mailbox);
  /// EXAMINE, unless the session has the mailbox selected. ESTALE if its UIDVALIDITY is another than that of the table:
  /// then it is listed anew. Blocks, on a pool's thread.
  Result<void> examine(const MailboxPointer& mailbox, imap::Session& session, const CallContext& context);

  // -- around a sync by whoever entered the mailbox's gate --
  /// Returns what end() wants to be told: the hints that the sync began after.
  [[nodiscard]] static std::uint64_t begin(const MailboxPointer& mailbox);
  void end(const MailboxPointer& mailbox, std::uint64_t began_after, SyncMethod method, const Result<void>& result);
  [[nodiscard]] MailboxSync::Settings sync_settings() const;

 private:
  void freshen_loaded(const MailboxPointer& mailbox, Completion<void> done);
  /// The gate was just entered.
  void start(const MailboxPointer& mailbox, imap::Priority priority);
  /// The gate was just entered on behalf of somebody who waits; if there is nothing to check, it is left again.
  void start_unless_fresh(const MailboxPointer& mailbox);
  void ask_for_step(const MailboxPointer& mailbox, const std::shared_ptr<MailboxSync>& sync, std::uint64_t began_after,
                    imap::Priority priority);
  /// Because of a hint: when that is due, which is later where hints bring nothing.
  void sync_by_hint(const MailboxPointer& mailbox);
  void await_news(const MailboxPointer& mailbox, std::uint64_t wanted, Completion<void> done);
  void note_pace(const MailboxPointer& mailbox) const;

  const Settings settings_;
  const Dependencies dependencies_;
};

}  // namespace imapfs::sync
