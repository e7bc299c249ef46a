#include "imap_account.hpp"

#include <unistd.h>

#include <algorithm>

#include "dovecot.hpp"

namespace imapfs::testing {
namespace {

constexpr auto usual_date = "20-Nov-2026 09:30:00 +0000";

}  // namespace

ImapMessage* ImapMailbox::find(std::uint32_t uid) {
  const auto found = std::ranges::find(messages, uid, &ImapMessage::uid);
  return found == messages.end() ? nullptr : &*found;
}

std::uint32_t ImapMailbox::append(std::string text, std::set<std::string> flags, const std::string& internal_date) {
  const auto date = internal_date.empty() ? usual_date : internal_date;
  messages.push_back({uid_next, std::move(flags), date, std::move(text), ++highest_modseq});
  return uid_next++;
}

void ImapMailbox::expunge(std::uint32_t uid) {
  if (std::erase_if(messages, [&](const auto& message) { return message.uid == uid; }) > 0)
    expunged[uid] = ++highest_modseq;
}

void ImapMailbox::set_flags(ImapMessage& message, std::set<std::string> flags) {
  message.flags = std::move(flags);
  message.modseq = ++highest_modseq;
}

ImapAccount::ImapAccount() { create("INBOX"); }

void ImapAccount::change(const std::function<void(Mailboxes&)>& use) {
  const std::lock_guard guard(mutex_);
  use(mailboxes_);
  const std::uint64_t one = 1;
  for (const int descriptor : waiting_) (void)!::write(descriptor, &one, sizeof one);
}

void ImapAccount::look(const std::function<void(const Mailboxes&)>& use) const {
  const std::lock_guard guard(mutex_);
  use(mailboxes_);
}

ImapMailbox& ImapAccount::made(Mailboxes& mailboxes, const std::string& name) {
  auto& mailbox = mailboxes[name];
  if (!mailbox) mailbox = std::make_shared<ImapMailbox>();
  return *mailbox;
}

void ImapAccount::create(const std::string& mailbox) {
  change([&](Mailboxes& all) { made(all, mailbox); });
}

std::uint32_t ImapAccount::deliver(const std::string& mailbox, const std::string& text,
                                   const std::set<std::string>& flags) {
  std::uint32_t uid = 0;
  change([&](Mailboxes& all) { uid = made(all, mailbox).append(text, flags); });
  return uid;
}

void ImapAccount::deliver_many(const std::string& mailbox, int count) {
  for (int number = 1; number <= count; ++number) deliver(mailbox, sample_message("Message " + std::to_string(number)));
}

void ImapAccount::expunge(const std::string& mailbox, std::uint32_t uid) {
  change([&](Mailboxes& all) { made(all, mailbox).expunge(uid); });
}

std::vector<ImapMessage> ImapAccount::messages(const std::string& mailbox) const {
  std::vector<ImapMessage> found;
  look([&](const Mailboxes& all) {
    if (const auto at = all.find(mailbox); at != all.end()) found = at->second->messages;
  });
  return found;
}

void ImapAccount::wake_by(int descriptor) {
  const std::lock_guard guard(mutex_);
  waiting_.insert(descriptor);
}

void ImapAccount::no_longer(int descriptor) {
  const std::lock_guard guard(mutex_);
  waiting_.erase(descriptor);
}

}  // namespace imapfs::testing
