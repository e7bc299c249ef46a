#pragma once
// What the server's count of messages says about a mailbox's table: whether it holds them all, and whether it is clear
// which are there.
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

  /// Whether the server counts as many as the table holds, with those that the last comparison could not get.
  [[nodiscard]] bool accounts_for(std::uint64_t messages) const;
  /// Messages that the server counts and does not show.
  [[nodiscard]] std::uint64_t unaccounted() const;
  /// A comparison has ended in which nothing was left in doubt; the server counts so many messages.
  void compared(std::uint64_t messages);
  /// Some of the messages may be gone, and the server does not say it clearly: they stay.
  void doubt(std::uint64_t messages);

  // -- with the lock held --
  /// How many messages the mailbox has, with those that the server does not show.
  [[nodiscard]] std::uint64_t messages() const { return table_.size() + unaccounted_; }
  /// Whether the rows may be trusted to be all that is there.
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
