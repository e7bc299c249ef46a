#pragma once
// Header fields of single messages. Sources in order: memory, the cached body, the server, and if the server cannot be
// reached, the index. Backup tools read every attribute of every file, so a round trip is avoided where possible.
//
// The thread "sync" reads bodies, the store's thread reads the index. Errors: those of the session. Any thread; one
// lock, a leaf.

#include <map>
#include <tuple>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/store/message_cache.hpp"
#include "sync/helper_thread.hpp"
#include "sync/mailbox/mailbox.hpp"
#include "sync/mailbox/sync_scheduler.hpp"
#include "sync/server.hpp"
#include "sync/store_writer.hpp"

namespace imapfs::sync {

class DetailsReader {
 public:
  struct Dependencies {
    Server& server;
    SyncScheduler& syncs;
    HelperThread& helper;
    StoreWriter& store;
    store::MessageCache& bodies;
  };

  explicit DetailsReader(Dependencies dependencies) : dependencies_(dependencies) {}
  DetailsReader(const DetailsReader&) = delete;
  DetailsReader& operator=(const DetailsReader&) = delete;

  void read(const MailboxPointer& mailbox, Uid uid, const Completion<MessageDetails>& done);

 private:
  using Key = std::tuple<MailboxId, UidValidity, Uid>;

  [[nodiscard]] static Key key_of(const MailboxPointer& mailbox, Uid uid);
  void read_body(const MailboxPointer& mailbox, Uid uid, const Completion<MessageDetails>& done);
  void fetch(const MailboxPointer& mailbox, Uid uid, const Completion<MessageDetails>& done);
  void read_index(const MailboxPointer& mailbox, Uid uid, const Error& cause, const Completion<MessageDetails>& done);
  void keep(const MailboxPointer& mailbox, Uid uid, const MessageDetails& details);

  const Dependencies dependencies_;
  Guarded<std::map<Key, MessageDetails>> known_;
};

}  // namespace imapfs::sync
