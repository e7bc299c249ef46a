#pragma once
// What one client of an ImapServer knows of the mailbox it has selected, and of others with NOTIFY: sequence numbers
// are those of what it has been told, until it is told more. One thread; looks into mailboxes under the account's lock.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "imap_account.hpp"

namespace imapfs::testing {

class ImapView {
 public:
  explicit ImapView(ImapAccount& account) : account_(account) {}

  /// Under the account's lock.
  void select(const std::string& name, std::shared_ptr<ImapMailbox> mailbox);
  void unselect();
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Null if none is selected.
  [[nodiscard]] const std::shared_ptr<ImapMailbox>& mailbox() const { return mailbox_; }
  /// Of the messages that this client knows of, by sequence number.
  [[nodiscard]] const std::vector<std::uint32_t>& uids() const { return uids_; }
  /// 0 for one that it does not know of.
  [[nodiscard]] std::size_t sequence_number(std::uint32_t uid) const;

  /// EXPUNGE or VANISHED, EXISTS, and FETCH of changed flags, as far as this client has not been told; STATUS of others
  /// with NOTIFY. As untagged lines; the client counts as told.
  std::vector<std::string> news(bool qresync, bool with_modseq);
  /// The client needs no FETCH of what it has just changed itself.
  void knows_flags();
  /// From here on other mailboxes are told of (RFC 5465).
  void notify();

 private:
  void add_removed(std::vector<std::string>& lines, bool qresync);
  void add_others(std::vector<std::string>& lines, const ImapAccount::Mailboxes& mailboxes);

  ImapAccount& account_;
  std::string name_;
  std::shared_ptr<ImapMailbox> mailbox_;
  std::vector<std::uint32_t> uids_;
  std::uint64_t told_modseq_ = 0;
  std::optional<std::map<std::string, std::uint64_t>> told_of_others_;
};

}  // namespace imapfs::testing
