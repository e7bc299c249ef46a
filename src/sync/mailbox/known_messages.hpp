#pragma once
// Single messages: the rows of the table, and the messages that were looked up while their mailbox is not listed.
//
// Keeps at most a few hundred of the latter; a listing replaces them. Threads: any, under the mailbox's lock
// (MailboxNews::lock). Refers to the other parts of its MailboxReplica.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "imapfs/base/executor.hpp"
#include "sync/mailbox/local_names.hpp"
#include "sync/mailbox/own_changes.hpp"

namespace imapfs::sync {

class KnownMessages {
 public:
  KnownMessages(WritableMessageTable& table, MailboxNews& news, const LocalNames& local_names,
                const OwnChanges& own_changes, const mime::NameTemplate& names)
      : table_(table), news_(news), local_names_(local_names), own_changes_(own_changes), names_(names) {}

  [[nodiscard]] std::optional<MessageMeta> find(Uid uid) const;
  [[nodiscard]] std::optional<MessageMeta> find_by_name(const std::string& name) const;
  /// Takes a message of a mailbox that is not listed.
  [[nodiscard]] MessageMeta take_single(const imap::FetchRow& row);
  /// Whether all given names are known: a name that is not found here was then given to no message.
  [[nodiscard]] bool names_known() const { return local_names_.known(); }
  /// The length of the body is known; `then` runs after the change was announced.
  void take_exact_size(Uid uid, std::uint64_t size, Job then);

  // -- messages without a listing, with the lock held --
  /// The size of a body whose length has been seen.
  [[nodiscard]] std::optional<std::uint64_t> exact_size(Uid uid) const;
  void take_flags(Uid uid, const FlagSet& flags);
  void forget(const UidSet& uids);
  void clear();

 private:
  void keep(const MessageMeta& meta);

  WritableMessageTable& table_;
  MailboxNews& news_;
  const LocalNames& local_names_;
  const OwnChanges& own_changes_;
  const mime::NameTemplate& names_;
  std::map<Uid, MessageMeta> singles_;  ///< with the template's names
  std::deque<Uid> order_;
};

}  // namespace imapfs::sync
