#include "imap/commands/selection.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "imap/wire/response_values.hpp"

namespace imapfs::imap {

void Selection::set(const WireName& mailbox, SelectedMailbox state) {
  mailbox_ = mailbox;
  state_ = std::move(state);
  view_end_ = state_.uid_next.value_or(Uid{});
}

void Selection::forget() {
  mailbox_.clear();
  state_ = SelectedMailbox();
  view_end_ = Uid();
}

Result<void> Selection::may_change(Effect effect) const {
  if (mailbox_.empty()) return fail(EINVAL, "no mailbox is selected");
  if (effect == Effect::here && state_.read_only)
    return fail(EROFS, Scope::mailbox, Retry::never, "the mailbox is selected read-only");
  return {};
}

void Selection::view_was_renewed(Uid highest) {
  view_end_ = highest.value == std::numeric_limits<std::uint32_t>::max() ? highest : Uid{highest.value + 1};
}

void Selection::take_code(const Answer& answer) {
  if (mailbox_.empty()) return;
  // RFC 9051 §7.1: also sent if the access to the mailbox changes while it is selected.
  if (answer.code == "READ-ONLY") state_.read_only = true;
  if (answer.code == "CLOSED") forget();
  // Servers that recreate a mailbox under the same name send a new UIDVALIDITY.
  if (answer.code != "UIDVALIDITY") return;
  if (const auto value = parse_nz_number(answer.code_data)) state_.uid_validity = UidValidity{*value};
}

void Selection::on_exists(std::uint32_t messages) {
  state_.messages = messages;
  if (listener_ != nullptr) listener_->on_exists(messages);
}

void Selection::on_expunge() {
  take_away(1);
  if (listener_ != nullptr) listener_->on_expunge();
}

void Selection::on_vanished(const UidSet& uids) {
  take_away(uids.count());
  if (listener_ != nullptr) listener_->on_vanished(uids);
}

void Selection::on_fetch(const FetchRow& row) {
  if (listener_ != nullptr) listener_->on_fetch(row);
}

void Selection::on_highest_modseq(ModSeq modseq) {
  if (listener_ != nullptr) listener_->on_highest_modseq(modseq);
}

void Selection::on_status(const WireName& mailbox, const MailboxStatus& status) {
  if (listener_ != nullptr) listener_->on_status(mailbox, status);
}

void Selection::on_mailbox_list_changed() {
  if (listener_ != nullptr) listener_->on_mailbox_list_changed();
}

void Selection::take_away(std::uint64_t messages) {
  state_.messages -= static_cast<std::uint32_t>(std::min<std::uint64_t>(state_.messages, messages));
}

}  // namespace imapfs::imap
