#pragma once
// The account's selectable mailboxes, by id, name and wire name.
//
// adopt() replaces the whole set; a mailbox that keeps its id and names keeps its object. One caller of adopt() at a
// time; everything else from any thread. One lock, a leaf. The dependencies outlive the mailboxes.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/store/journal.hpp"
#include "imapfs/store/message_cache.hpp"
#include "sync/helper_thread.hpp"
#include "sync/mailbox/mailbox.hpp"

namespace imapfs::sync {

class Mailboxes {
 public:
  struct Dependencies {
    const mime::NameTemplate& names;
    StoreWriter& store;
    HelperThread& helper;
    ChangeListener& listener;
    std::shared_ptr<store::Journal> journal;  ///< null: messages have no given names
    std::shared_ptr<store::MessageCache> bodies;
  };
  struct Listed {
    MailboxReplica::Identity identity;
    MailboxStatus status;
  };

  explicit Mailboxes(Dependencies dependencies) : dependencies_(std::move(dependencies)) {}
  Mailboxes(const Mailboxes&) = delete;
  Mailboxes& operator=(const Mailboxes&) = delete;

  /// Null if there is no such mailbox.
  [[nodiscard]] MailboxPointer find(MailboxId id) const;
  [[nodiscard]] MailboxPointer find_wire_name(const imap::WireName& wire_name) const;
  [[nodiscard]] MailboxPointer find_name(const std::string& name) const;
  /// As find(), and records the use.
  [[nodiscard]] MailboxPointer use(MailboxId id) const;
  [[nodiscard]] std::vector<MailboxPointer> all() const;

  /// Replaces the set. Returns the mailboxes that are no longer in it, for forget(). The first call reads the store and
  /// blocks.
  [[nodiscard]] std::vector<MailboxPointer> adopt(std::vector<Listed> listed);
  /// Removes the index rows and bodies of a mailbox that is gone.
  void forget(const MailboxPointer& mailbox);
  /// The store is closed: nobody waits for stored rows any longer.
  void abandon_loads();

 private:
  struct Index {
    std::map<MailboxId, MailboxPointer> by_id;
    std::map<imap::WireName, MailboxPointer> by_wire_name;
    std::map<std::string, MailboxPointer> by_name;
  };
  [[nodiscard]] MailboxPointer make(MailboxReplica::Identity identity, const Index& before);
  [[nodiscard]] MailboxReplica::Dependencies replica_dependencies() const;

  const Dependencies dependencies_;
  Guarded<Index> index_;
};

}  // namespace imapfs::sync
