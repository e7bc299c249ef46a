#include "vfs/staging/displaced_messages.hpp"

namespace imapfs::vfs {

void DisplacedMessages::left(MailboxId mailbox, const std::string& name, DisplacedMessage message) {
  const auto now = SteadyClock::now();
  mailboxes_.with_lock([&](auto& mailboxes) {
    auto& of = mailboxes[mailbox];
    of.names.insert_or_assign(name, Left{std::move(message), now});
    of.order.emplace_back(now, name);
    while (!of.order.empty() && (of.order.size() > max_names || now - of.order.front().first > memory)) {
      const auto& [since, oldest] = of.order.front();
      const auto found = of.names.find(oldest);
      // Its message may have left it again since.
      if (found != of.names.end() && found->second.since == since) of.names.erase(found);
      of.order.pop_front();
    }
  });
}

std::optional<DisplacedMessage> DisplacedMessages::find(MailboxId mailbox, const std::string& name) const {
  const auto now = SteadyClock::now();
  return mailboxes_.with_lock([&](const auto& mailboxes) -> std::optional<DisplacedMessage> {
    const auto of = mailboxes.find(mailbox);
    if (of == mailboxes.end()) return std::nullopt;
    const auto found = of->second.names.find(name);
    if (found == of->second.names.end() || now - found->second.since > memory) return std::nullopt;
    return found->second.message;
  });
}

void DisplacedMessages::taken(MailboxId mailbox, const std::string& name) {
  mailboxes_.with_lock([&](auto& mailboxes) {
    const auto of = mailboxes.find(mailbox);
    if (of != mailboxes.end()) of->second.names.erase(name);
  });
}

}  // namespace imapfs::vfs
