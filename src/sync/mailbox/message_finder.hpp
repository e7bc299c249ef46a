#pragma once
// Finds single messages by name or UID: in the table, or at the server if the mailbox is not listed.
//
// In a freshly listed mailbox, a name of no message costs nothing. In a mailbox that was never listed it costs one
// FETCH of the UIDs that it may stand for, shared by all who ask for the same name at the same time. After a few
// lookups without result the mailbox is listed instead. Errors: ENOENT, and those of the session. Any thread; no lock
// of its own.

#include <optional>
#include <string>
#include <vector>

#include "imapfs/mime/names.hpp"
#include "sync/mailbox/mailbox.hpp"
#include "sync/mailbox/row_loader.hpp"
#include "sync/mailbox/sync_scheduler.hpp"
#include "sync/server.hpp"

namespace imapfs::sync {

class MessageFinder {
 public:
  struct Dependencies {
    const mime::NameTemplate& names;
    Server& server;
    RowLoader& rows;
    SyncScheduler& syncs;
    bool users_give_names;  ///< any name may be a given one
  };

  explicit MessageFinder(Dependencies dependencies) : dependencies_(dependencies) {}
  MessageFinder(const MessageFinder&) = delete;
  MessageFinder& operator=(const MessageFinder&) = delete;

  void find(const MailboxPointer& mailbox, const std::string& name, Completion<MessageMeta> done);
  void find(const MailboxPointer& mailbox, Uid uid, Completion<MessageMeta> done);

 private:
  struct Lookup {
    std::string key;        ///< the name, or "#uid"
    std::vector<Uid> uids;  ///< candidates
    bool by_name = false;
  };
  void find(const MailboxPointer& mailbox, const Lookup& lookup, Completion<MessageMeta> done);
  void find_loaded(const MailboxPointer& mailbox, const Lookup& lookup, const Completion<MessageMeta>& done);
  void find_unlisted(const MailboxPointer& mailbox, const Lookup& lookup, const Completion<MessageMeta>& done);
  void list_and_find(const MailboxPointer& mailbox, const Lookup& lookup, const Completion<MessageMeta>& done);
  void fetch_single(const MailboxPointer& mailbox, const Lookup& lookup, Completion<MessageMeta> done);
  Result<std::optional<MessageMeta>> fetch_candidates(const MailboxPointer& mailbox, const Lookup& lookup,
                                                      imap::Session& session, const CallContext& context);
  [[nodiscard]] static std::optional<MessageMeta> find_known(const MailboxPointer& mailbox, const Lookup& lookup);

  const Dependencies dependencies_;
};

}  // namespace imapfs::sync
