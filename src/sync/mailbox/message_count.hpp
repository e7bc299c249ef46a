#pragma once
// What the server's count of messages says about a mailbox's table: whether the table holds all of them, and whether it
// is clear which ones exist.
//
// Threads: any, under the mailbox's lock (MailboxNews::lock).

#include <cstdint>

#include "imapfs/sync/message_table.hpp"
#include "sync/mailbox/mailbox_news.hpp"

namespace imapfs::sync {

class MessageCount {
 public:
  MessageCount(const MailboxIdentity& identity, const MessageTable& table, const MailboxNews& news)
      : identity_(identity), table_(table), news_(news) {}

  /// Whether the server's count equals the table's, including messages that the last comparison could not get.
  [[nodiscard]] bool accounts_for(std::uint64_t messages) const;
  /// The number of messages that the server counts but does not show.
  [[nodiscard]] std::uint64_t unaccounted() const;
  /// A comparison has ended without doubt; the server counts this many messages.
  void compared(std::uint64_t messages);
  /// Some messages may be gone, but the server does not say so clearly: they stay.
  void doubt(std::uint64_t messages);

  // -- with the lock held --
  /// How many messages the mailbox has, including those that the server does not show.
  [[nodiscard]] std::uint64_t messages() const { return table_.size() + unaccounted_; }
  /// Whether the rows are certain to be all the messages.
  [[nodiscard]] bool clear() const { return !in_doubt_ && unaccounted_ == 0; }
  void reset();

 private:
  const MailboxIdentity& identity_;
  const MessageTable& table_;
  const MailboxNews& news_;
  std::uint64_t unaccounted_ = 0;
  bool in_doubt_ = false;
};

}  // namespace imapfs::sync
