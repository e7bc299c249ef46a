#pragma once
// Entries and attributes of what the account holds (design §1.3), the same for every view that shows it.
//
// Pure functions of the account's memory, any thread.

#include <string>

#include "imapfs/sync/account.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

/// Attributes of a directory with `children` subdirectories.
[[nodiscard]] Attributes directory_attributes(const Settings& settings, InodeId inode, std::size_t children,
                                              Timestamp time);

[[nodiscard]] Entry mailbox_entry(const sync::Account& account, const Settings& settings,
                                  const sync::MailboxNode& mailbox);

/// Makes entries of one mailbox's messages; what they share is computed once.
class MessageEntries {
 public:
  MessageEntries(const sync::Account& account, const Settings& settings, const sync::MailboxNode& mailbox,
                 UidValidity validity);

  [[nodiscard]] Entry entry(Uid uid, std::uint64_t size, UnixTime internal_date) const;
  [[nodiscard]] Entry entry(const MessageMeta& meta) const { return entry(meta.uid, meta.size, meta.internal_date); }

 private:
  const Settings& settings_;
  MailboxId mailbox_;
  std::uint64_t generation_;
  std::uint64_t inode_seed_;
};

}  // namespace imapfs::vfs
