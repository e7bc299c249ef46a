#pragma once
// The mailbox that a session has selected, as the server tells of it: the count of its messages, whether it may be
// changed, and how far the server's view of it reaches.
//
// Listens to what the server says unasked, and passes all of it on. One thread at a time.

#include "imapfs/imap/server_traits.hpp"
#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

class Selection final : public UntaggedListener {
 public:
  /// Where a command changes something: in the selected mailbox, which must not be read-only then, or in another.
  enum class Effect : std::uint8_t { here, elsewhere };

  /// Gets the news too; may be null.
  void set_listener(UntaggedListener* listener) { listener_ = listener; }

  void set(const WireName& mailbox, SelectedMailbox state);
  void forget();
  /// Empty if nothing is selected.
  [[nodiscard]] const WireName& mailbox() const { return mailbox_; }
  [[nodiscard]] const SelectedMailbox& state() const { return state_; }
  /// EROFS, scope mailbox, unless a mailbox is selected read-write where the command changes it.
  [[nodiscard]] Result<void> may_change(Effect effect) const;

  /// Whether the server's view of the mailbox is known to have all messages up to this one.
  [[nodiscard]] bool view_reaches(Uid highest) const { return highest < view_end_; }
  /// The view was renewed after somebody had heard of this message.
  void view_was_renewed(Uid highest);

  /// An OK with a code that no command has taken: the mailbox may have changed its state.
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
  Uid view_end_;  ///< every message below was known to the server's view of the mailbox
};

}  // namespace imapfs::imap
