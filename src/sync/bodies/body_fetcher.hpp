#pragma once
// Bodies on open: from the cache, or from the server into the cache while readers are served what has arrived.
//
// One fetch per message at a time: whoever opens a message that is being received joins. Messages up to
// `whole_fetch_limit` come with one FETCH; of larger ones only what is read comes, in ranges that grow for sequential
// readers. The length a Body tells is the server's own, never RFC822.SIZE by faith; who reads well below that need not
// wait for the proof, since a server may have to look through the whole message for its end. Bytes go straight to the
// cache's file: memory does not grow with the message.
//
// Many messages ahead of a reader come in sets, by one job (fetch_sets). Whoever opens one of them waits for it there,
// unless so much comes before it that a FETCH of its own is sooner; what a set does not bring is fetched by itself. So
// a set can fail without anybody noticing.
//
// Errors: open and read fail with what the pool or the server said (ENOENT: expunged, ENOSPC: neither disk nor memory
// can take it, ESTALE: UIDVALIDITY changed); a later read tries again. A lost connection is resumed where it broke off
// as long as the pool runs the job again.
//
// Threads: any. Completions run on pool threads, or within the call when the answer is at hand, with no lock held.
// Bodies may outlive the fetcher: after close() they serve what is present and fail otherwise with ECANCELED.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/imap/session_pool.hpp"
#include "imapfs/store/message_cache.hpp"
#include "imapfs/sync/body_reader.hpp"

namespace imapfs::sync {

class BodyFetcher {
 public:
  struct Settings {
    SteadyClock::duration timeout = std::chrono::seconds(
        30);                                    ///< of one command, plus time for its bytes on a slow line
    std::uint64_t whole_fetch_limit = 1 << 20;  ///< larger messages are fetched in ranges
    /// Who opens a message of a set with more than this to come before it overtakes, on a connection of its own.
    std::uint64_t overtake_beyond = 1 << 20;
  };

  /// What is known of the message to open.
  struct Request {
    MailboxId mailbox;
    imap::WireName wire_name;
    store::BodyKey key;
    std::uint64_t size = 0;      ///< RFC822.SIZE, or the exact length; 0: unknown
    bool size_is_exact = false;  ///< the length was seen before: no probe is needed
    /// False once the mailbox has another UIDVALIDITY than the key: asked on the pool's thread before a command, since
    /// a session may have the mailbox selected anew by then. Empty: always current.
    std::function<bool()> is_current;
    bool partial_allowed =
        true;  ///< false: BODY.PEEK[]<…> is never used. Quirk::no_partial of the session is honoured anyway.
  };

  /// Hands a job to the pool: `[&pool](imap::PoolJob job) { pool.submit(std::move(job)); }`.
  using Submit = std::function<void(imap::PoolJob)>;
  /// Told, before a body of that length can be had, of a length that is not Request::size or had to be measured. On a
  /// pool thread; must be quick.
  using OnExactSize = std::function<void(MailboxId, Uid, std::uint64_t)>;

  BodyFetcher(Settings settings, Submit submit, std::shared_ptr<store::MessageCache> cache, OnExactSize on_exact_size);
  /// close()
  ~BodyFetcher();
  BodyFetcher(const BodyFetcher&) = delete;
  BodyFetcher& operator=(const BodyFetcher&) = delete;

  /// Completes already when the bytes `wanted` are there, if they end below Request::size; see
  /// Body::length_is_proved(). An empty range: once the length is proved.
  void open_at(const Request& request, imap::OctetRange wanted, Completion<std::shared_ptr<Body>> done);
  /// Says which messages to fetch ahead.
  class SetSource {
   public:
    struct Message {
      Uid uid;
      std::uint64_t size = 0;
    };
    virtual ~SetSource() = default;
    /// The next set; empty: none now. Asked within fetch_sets() first, then on the pool's thread between bodies.
    virtual std::vector<Message> next_set() = 0;
    /// Called once if fetch_sets() returned true, when nothing more comes.
    virtual void ended(const Result<void>& result) = 0;
  };
  /// Fetches sets as long as `source` has some; `mailbox` is a Request of any of its messages. False: there was not
  /// even one.
  bool fetch_sets(const Request& mailbox, std::shared_ptr<SetSource> source);
  /// Whether a message is being received, or is part of a set that is.
  [[nodiscard]] bool is_coming(const store::BodyKey& key) const;
  /// How many messages are being received, or have a Body that was opened while they were.
  [[nodiscard]] std::size_t downloads() const;
  /// Stops what runs and submits nothing more. Call before the pool is closed, not from a completion. Idempotent.
  void close();

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace imapfs::sync
