#pragma once
// Opens messages: finds them, fetches their bodies ahead of readers, and sees to it that everybody hears of a length
// that is not what was listed.
//
// A size that the server has told is trusted until one was wrong; from then on bodies are asked for when they are
// opened, before a program has gone by the size. Errors: those of MessageFinder and BodyFetcher; ECANCELED before
// start() and after close().
//
// Any thread; completions run on pool threads, on the thread "sync", or within the call. start() and close() belong to
// whoever starts and ends the account. No lock of its own.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "imapfs/store/message_cache.hpp"
#include "imapfs/sync/body_reader.hpp"
#include "sync/bodies/body_fetcher.hpp"
#include "sync/bodies/prefetcher.hpp"
#include "sync/helper_thread.hpp"
#include "sync/mailbox/mailboxes.hpp"
#include "sync/mailbox/message_finder.hpp"
#include "sync/mailbox/sync_scheduler.hpp"
#include "sync/server.hpp"

namespace imapfs::sync {

class Bodies final : public BodyReader {
 public:
  struct Settings {
    std::string account;  ///< inode numbers are made of it
    SteadyClock::duration timeout;
    std::uint64_t whole_fetch_limit;  ///< larger messages are fetched in ranges
  };
  struct Dependencies {
    Server& server;
    const Mailboxes& mailboxes;
    MessageFinder& finder;
    SyncScheduler& syncs;
    HelperThread& helper;
    std::shared_ptr<store::MessageCache> cache;
  };

  Bodies(Settings settings, Dependencies dependencies);
  Bodies(const Bodies&) = delete;
  Bodies& operator=(const Bodies&) = delete;

  /// When the pool is open.
  void start();
  /// Stops what runs. Before the pool is closed. Idempotent.
  void close();

  void open(MailboxId mailbox, Uid uid, Completion<std::shared_ptr<Body>> done) override;
  void open_at(MailboxId mailbox, Uid uid, std::uint64_t offset, std::size_t length,
               Completion<std::shared_ptr<Body>> done) override;
  [[nodiscard]] bool can_wait(MailboxId mailbox, Uid uid) const override;

 private:
  /// Completes when the bytes `wanted` are there or, where that is empty, when the exact length is known.
  void open_known(const MailboxPointer& mailbox, const MessageMeta& meta, imap::OctetRange wanted,
                  const Completion<std::shared_ptr<Body>>& done);
  void opened(const MailboxPointer& mailbox, const MessageMeta& meta, std::shared_ptr<Body> body, bool may_wait,
              const Completion<std::shared_ptr<Body>>& done);
  [[nodiscard]] static BodyFetcher::Request request_for(const MailboxPointer& mailbox, const MessageMeta& meta);
  [[nodiscard]] bool is_no_news(const MessageMeta& meta, std::uint64_t length) const;
  void message_is_gone(const MailboxPointer& mailbox, Uid uid);
  /// A body has `length` bytes, of which the server had told what `told` says. Any thread.
  void note_length(const MessageMeta& told, std::uint64_t length);
  void take_length(MailboxId mailbox, Uid uid, std::uint64_t length);

  const Settings settings_;
  const Dependencies dependencies_;
  std::atomic<bool> sizes_are_wrong_{false};  ///< one was
  std::unique_ptr<BodyFetcher> fetcher_;
  std::unique_ptr<Prefetcher> prefetcher_;
};

}  // namespace imapfs::sync
