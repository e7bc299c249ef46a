#pragma once
// Bodies on open: from the cache, or from the server into the cache while readers get what has arrived.
//
// Each message is fetched once at a time: whoever opens it meanwhile joins. Messages up to `whole_fetch_limit` come
// with one FETCH. Of larger ones only the parts that are read come, in ranges that grow for sequential readers. The
// length of a Body is the server's real one, never an unchecked RFC822.SIZE. Readers well below the end need not wait
// for the proof, because a server may have to look through the whole message for its end. Bytes go straight to the
// cache's file: memory does not grow with the message.
//
// Messages ahead of a reader come in sets, by one job (fetch_sets). Whoever opens one of them waits for it there,
// unless so much comes before it that a FETCH of its own is faster. What a set does not bring is fetched singly, so a
// failing set is not noticed by readers.
//
// Errors: open and read fail with the pool's or the server's Error (ENOENT: expunged, ENOSPC: neither disk nor memory
// can take it, ESTALE: UIDVALIDITY changed); a later read tries again. A fetch resumes after a lost connection as long
// as the pool runs the job again.
//
// Threads: any. Completions run on pool threads, or within the call if the answer is at hand, without a lock. Bodies
// may outlive the fetcher: after close() they serve the bytes that are present, and fail with ECANCELED for others.

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
    /// If more than this comes before a message of a set, whoever opens it fetches it on another connection.
    std::uint64_t overtake_beyond = 1 << 20;
  };

  /// The message to open.
  struct Request {
    MailboxId mailbox;
    imap::WireName wire_name;
    store::BodyKey key;
    std::uint64_t size = 0;      ///< RFC822.SIZE, or the exact length; 0: unknown
    bool size_is_exact = false;  ///< the length was seen before: no probe is needed
    /// Returns false once the mailbox has another UIDVALIDITY than the key. Asked on the pool's thread before a
    /// command, because a session may have selected the mailbox anew. Empty: always current.
    std::function<bool()> is_current;
    bool partial_allowed =
        true;  ///< false: never use BODY.PEEK[]<…>; the session's Quirk::no_partial counts in any case
  };

  /// Gives a job to the pool: `[&pool](imap::PoolJob job) { pool.submit(std::move(job)); }`.
  using Submit = std::function<void(imap::PoolJob)>;
  /// Called with a length that differs from Request::size or had to be measured, before anybody gets the body of that
  /// length. On a pool thread; must be quick.
  using OnExactSize = std::function<void(MailboxId, Uid, std::uint64_t)>;

  BodyFetcher(Settings settings, Submit submit, std::shared_ptr<store::MessageCache> cache, OnExactSize on_exact_size);
  /// Calls close().
  ~BodyFetcher();
  BodyFetcher(const BodyFetcher&) = delete;
  BodyFetcher& operator=(const BodyFetcher&) = delete;

  /// Completes as soon as the bytes `wanted` have come, if they end below Request::size; see Body::length_is_proved().
  /// With an empty range it completes when the length is proved.
  void open_at(const Request& request, imap::OctetRange wanted, Completion<std::shared_ptr<Body>> done);
  /// Chooses the messages to fetch ahead.
  class SetSource {
   public:
    struct Message {
      Uid uid;
      std::uint64_t size = 0;
    };
    virtual ~SetSource() = default;
    /// The next set; empty: none now. Called within fetch_sets() first, then on the pool's thread between bodies.
    virtual std::vector<Message> next_set() = 0;
    /// Called once, after fetch_sets() has returned true, when nothing more will come.
    virtual void ended(const Result<void>& result) = 0;
  };
  /// Fetches sets as long as `source` has some. `mailbox` is a Request of any of its messages. False if there is no set
  /// at all.
  bool fetch_sets(const Request& mailbox, std::shared_ptr<SetSource> source);
  /// Whether a message is being received, or is in a set that is.
  [[nodiscard]] bool is_coming(const store::BodyKey& key) const;
  /// The number of messages that are being received, or have a Body that was opened meanwhile.
  [[nodiscard]] std::size_t downloads() const;
  /// Stops running jobs and submits no more. Call it before the pool is closed, and not from a completion. Idempotent.
  void close();

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace imapfs::sync
