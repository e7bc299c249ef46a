#pragma once
// When a mailbox is brought in step with the server, by whom, and who waits for it.
//
// A sync runs for somebody who lists (freshen, await_rows), for a hint that the server has something new, or for a
// change whose outcome must be seen (bring_in_step). The SyncGate lets in one sync per mailbox at a time. Syncs run on
// the pool, in steps that let other jobs in between, or on a watcher's session, which encloses them by begin() and
// end(). Hints that bring nothing cost a growing pause: a server may send one with every command.
//
// Completions are called exactly once, from any thread, without a lock. Errors are those of the sync; freshen() accepts
// a completely listed mailbox that cannot be checked. Any thread; no lock of its own.

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
    SteadyClock::duration refresh;  ///< how long a check stays valid without a watch
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
  /// Completes when the mailbox is listed or the listing failed.
  void list(const MailboxPointer& mailbox, Completion<void> done);
  /// Whether it is listed completely and was checked lately, without a hint since.
  [[nodiscard]] bool is_fresh(const MailboxPointer& mailbox) const;
  /// Whether it is listed completely and is watched, or was checked within `refresh`. There may be news not yet in the
  /// table.
  [[nodiscard]] bool was_checked_lately(const MailboxPointer& mailbox) const;

  // -- for those who hear of something --
  /// The server may have something new: a sync follows if the mailbox is listed completely.
  void hint(const MailboxPointer& mailbox);
  /// Starts a sync in the background, whatever is known, or joins the running one; `done` is called at its end.
  void check(const MailboxPointer& mailbox, Completion<void> done);
  /// Completes when a sync that began after this call has ended.
  void bring_in_step(const MailboxPointer& mailbox, Completion<void> done);
  /// The server has given the UIDs to other messages: forgets rows and cached bodies, and starts a sync.
  void list_anew(const MailboxPointer& mailbox);
  /// EXAMINE, unless the session has the mailbox selected. ESTALE if its UIDVALIDITY differs from the table's; then
  /// hints at a sync. Blocks, on a pool's thread.
  Result<void> examine(const MailboxPointer& mailbox, imap::Session& session, const CallContext& context);

  // -- around a sync by whoever entered the mailbox's gate --
  /// Returns the argument for end(): the number of hints before the sync.
  [[nodiscard]] static std::uint64_t begin(const MailboxPointer& mailbox);
  void end(const MailboxPointer& mailbox, std::uint64_t began_after, SyncMethod method, const Result<void>& result);
  [[nodiscard]] MailboxSync::Settings sync_settings() const;

 private:
  void freshen_loaded(const MailboxPointer& mailbox, Completion<void> done);
  /// The gate was just entered.
  void start(const MailboxPointer& mailbox, imap::Priority priority);
  /// The gate was just entered for somebody who waits; leaves it again if there is nothing to check.
  void start_unless_fresh(const MailboxPointer& mailbox);
  void ask_for_step(const MailboxPointer& mailbox, const std::shared_ptr<MailboxSync>& sync, std::uint64_t began_after,
                    imap::Priority priority);
  /// Starts the sync for a hint when it is due; later if hints bring nothing.
  void sync_by_hint(const MailboxPointer& mailbox);
  void await_news(const MailboxPointer& mailbox, std::uint64_t wanted, Completion<void> done);
  void note_pace(const MailboxPointer& mailbox) const;

  const Settings settings_;
  const Dependencies dependencies_;
};

}  // namespace imapfs::sync
