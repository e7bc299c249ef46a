#pragma once
// One turn of a Download on a connection: chooses the command that brings what is missing, and writes what comes.
//
// Messages up to the limit come whole. Of larger ones the head comes first, with the proof of their length, then the
// ranges that readers want. After a lost connection the rest of a whole message comes.
//
// Errors: those of the session and of the cache; ESTALE if the mailbox has another UIDVALIDITY; EIO for an answer that
// contradicts an earlier one. Runs on the pool's thread; refers to the download during the turn.

#include <cstdint>

#include "imapfs/imap/session.hpp"
#include "sync/bodies/download.hpp"

namespace imapfs::sync {

class DownloadJob {
 public:
  DownloadJob(Download& download, const DownloadDependencies& dependencies, const BodyFetcher::Request& request,
              imap::Session& session, const CallContext& context);

  Result<void> run();

  /// How long a turn may take.
  [[nodiscard]] static SteadyClock::duration patience(const ReceivedBody& body, const BodyFetcher::Request& request,
                                                      const BodyFetcher::Settings& settings);

 private:
  class Sink;
  class Ranges;

  Result<void> fetch();
  Result<void> fetch_first(bool partial);
  Result<void> fetch_head();
  Result<void> fetch_head_and_tail();
  Result<void> fetch_whole();
  Result<void> fetch_rest(ByteSpan rest);
  Result<void> fetch_ranges();

  Download& download_;
  ReceivedBody& body_;
  const DownloadDependencies& dependencies_;
  const BodyFetcher::Request& request_;
  imap::Session& session_;
  const CallContext& context_;
};

}  // namespace imapfs::sync
