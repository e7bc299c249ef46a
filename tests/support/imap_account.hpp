#pragma once
// The mail that an ImapServer serves: mailboxes in memory, which the test changes as another client would.
//
// Any thread. A mailbox that was removed or replaced lives on for the connections that have it selected (RFC 2180
// §3.1).

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace imapfs::testing {

struct ImapMessage {
  std::uint32_t uid = 0;
  std::set<std::string> flags;
  std::string internal_date;  ///< "20-Nov-2026 09:30:00 +0000"
  std::string text;           ///< CRLF line ends
  std::uint64_t modseq = 0;
};

struct ImapMailbox {
  std::uint32_t uid_validity = 1;
  std::uint32_t uid_next = 1;
  std::uint64_t highest_modseq = 1;
  std::vector<ImapMessage> messages;                ///< by UID
  std::map<std::uint32_t, std::uint64_t> expunged;  ///< when, as a mod-sequence
  bool selectable = true;

  ImapMessage* find(std::uint32_t uid);
  std::uint32_t append(std::string text, std::set<std::string> flags = {}, const std::string& internal_date = "");
  void expunge(std::uint32_t uid);
  void set_flags(ImapMessage& message, std::set<std::string> flags);
};

class ImapAccount {
 public:
  using Mailboxes = std::map<std::string, std::shared_ptr<ImapMailbox>>;  ///< by the name on the wire

  ImapAccount();

  /// Runs `use` under the lock, then wakes the connections that wait for news.
  void change(const std::function<void(Mailboxes&)>& use);
  void look(const std::function<void(const Mailboxes&)>& use) const;

  void create(const std::string& mailbox);
  /// Its UID. The mailbox is made if there is none.
  std::uint32_t deliver(const std::string& mailbox, const std::string& text, const std::set<std::string>& flags = {});
  /// Short messages with the subjects "Message 1" …
  void deliver_many(const std::string& mailbox, int count);
  void expunge(const std::string& mailbox, std::uint32_t uid);
  [[nodiscard]] std::vector<ImapMessage> messages(const std::string& mailbox) const;

  /// An eventfd that is written to after every change.
  void wake_by(int descriptor);
  void no_longer(int descriptor);

 private:
  static ImapMailbox& made(Mailboxes& mailboxes, const std::string& name);

  mutable std::mutex mutex_;
  Mailboxes mailboxes_;
  std::set<int> waiting_;
};

}  // namespace imapfs::testing
