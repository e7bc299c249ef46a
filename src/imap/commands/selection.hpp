#pragma once
// The selected mailbox of a session as the server describes it: its number of messages, whether it may be changed, and
// how far the server's view of it reaches.
//
// Receives all unsolicited responses and passes them on. One thread at a time.

#include "imapfs/imap/server_traits.hpp"
#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

class Selection final : public UntaggedListener {
 public:
  /// Where a command changes something: in the selected mailbox, which must be read-write then, or elsewhere.
  enum class Effect : std::uint8_t { here, elsewhere };

  /// Receives the news too; may be null.
  void set_listener(UntaggedListener* listener) { listener_ = listener; }

  void set(const WireName& mailbox, SelectedMailbox state);
  void forget();
  /// Empty if no mailbox is selected.
  [[nodiscard]] const WireName& mailbox() const { return mailbox_; }
  [[nodiscard]] const SelectedMailbox& state() const { return state_; }
  /// EROFS, scope mailbox, if the effect is here and the mailbox is read-only; EINVAL if none is selected.
  [[nodiscard]] Result<void> may_change(Effect effect) const;

  /// Whether the server's view of the mailbox is known to contain all messages up to `highest`.
  [[nodiscard]] bool view_reaches(Uid highest) const { return highest < view_end_; }
  /// The view was renewed after a message with this UID had been reported.
  void view_was_renewed(Uid highest);

  /// Takes an OK with a code that no command has taken: it may tell of a change of the mailbox.
  void take_code(const Answer& answer);

  void on_exists(std::uint32_t messages) override;
  void on_expunge() override;
  void on_vanished(const UidSet& uids) override;
  void on_fetch(const FetchRow& row) override;
  void on_highest_modseq(ModSeq modseq) override;
  void on_status(const WireName& mailbox, const MailboxStatus& status) override;
  void on_mailbox_list_changed() override;

 private:
  void take_away(std::uint64_t messages);

  UntaggedListener* listener_ = nullptr;
  WireName mailbox_;
  SelectedMailbox state_;
  Uid view_end_;  ///< the server's view is known to contain all messages below
};

}  // namespace imapfs::imap
