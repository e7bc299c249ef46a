#include "imap_view.hpp"

#include <algorithm>

#include "imap_syntax.hpp"

namespace imapfs::testing {

void ImapView::select(const std::string& name, std::shared_ptr<ImapMailbox> mailbox) {
  name_ = name;
  mailbox_ = std::move(mailbox);
  uids_.clear();
  for (const auto& message : mailbox_->messages) uids_.push_back(message.uid);
  told_modseq_ = mailbox_->highest_modseq;
}

void ImapView::unselect() {
  name_.clear();
  mailbox_.reset();
  uids_.clear();
}

std::size_t ImapView::sequence_number(std::uint32_t uid) const {
  const auto found = std::lower_bound(uids_.begin(), uids_.end(), uid);
  return found == uids_.end() || *found != uid ? 0 : static_cast<std::size_t>(found - uids_.begin()) + 1;
}

void ImapView::add_removed(std::vector<std::string>& lines, bool qresync) {
  std::vector<std::uint32_t> gone;
  std::size_t number = 1;
  std::erase_if(uids_, [&](std::uint32_t uid) {
    const bool there = std::ranges::binary_search(mailbox_->messages, uid, {}, &ImapMessage::uid);
    if (there) ++number;
    if (!there) gone.push_back(uid);
    if (!there && !qresync) lines.push_back(std::to_string(number) + " EXPUNGE");
    return !there;
  });
  if (!gone.empty() && qresync) lines.push_back("VANISHED " + set_text(gone));
}

std::vector<std::string> ImapView::news(bool qresync, bool with_modseq) {
  std::vector<std::string> lines;
  account_.look([&](const ImapAccount::Mailboxes& mailboxes) {
    if (told_of_others_) add_others(lines, mailboxes);
    if (!mailbox_) return;
    const auto& mailbox = *mailbox_;
    add_removed(lines, qresync);
    const auto known = uids_.size();
    for (const auto& message : mailbox.messages) {
      if (uids_.empty() || message.uid > uids_.back()) uids_.push_back(message.uid);
    }
    if (uids_.size() != known) lines.push_back(std::to_string(uids_.size()) + " EXISTS");
    for (std::size_t number = 1; number <= known; ++number) {
      const auto& message = mailbox.messages[number - 1];
      if (message.modseq <= told_modseq_) continue;
      auto row = std::to_string(number) + " FETCH (UID " + std::to_string(message.uid);
      row += " FLAGS " + imap_list(message.flags);
      if (with_modseq) row += " MODSEQ (" + std::to_string(message.modseq) + ')';
      lines.push_back(row + ')');
    }
    told_modseq_ = mailbox.highest_modseq;
  });
  return lines;
}

void ImapView::knows_flags() {
  account_.look([&](const ImapAccount::Mailboxes&) {
    if (mailbox_) told_modseq_ = mailbox_->highest_modseq;
  });
}

void ImapView::notify() {
  account_.look([&](const ImapAccount::Mailboxes& mailboxes) {
    told_of_others_.emplace();
    for (const auto& [name, mailbox] : mailboxes) (*told_of_others_)[name] = mailbox->highest_modseq;
  });
}

void ImapView::add_others(std::vector<std::string>& lines, const ImapAccount::Mailboxes& mailboxes) {
  for (const auto& [name, mailbox] : mailboxes) {
    auto& told = (*told_of_others_)[name];
    if (told == mailbox->highest_modseq) continue;
    told = mailbox->highest_modseq;
    if (mailbox == mailbox_) continue;
    lines.push_back("STATUS " + imap_string(name) + " (MESSAGES " + std::to_string(mailbox->messages.size()) +
                    " UIDNEXT " + std::to_string(mailbox->uid_next) + " UIDVALIDITY " +
                    std::to_string(mailbox->uid_validity) + ")");
  }
}

}  // namespace imapfs::testing
