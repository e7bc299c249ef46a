// imapfs --check URL: what a user looks at before the first mount, and sends along with a question.
#include <cstdio>

#include "app/daemon.hpp"
#include "app/writing_check.hpp"
#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/header_decode.hpp"

namespace imapfs::app {
namespace {

void print(std::string_view label, const std::string& value) {
  fmt::print("{:<14} {}\n", label, value.empty() ? "none" : telemetry::printable(value, 4000));
}

std::string joined(const std::set<std::string>& words) { return fmt::format("{}", fmt::join(words, " ")); }

std::string quirk_names(const imap::Quirks& quirks) {
  std::string names;
  for (const auto quirk : quirks) names += (names.empty() ? "" : " ") + std::string(imap::to_string(quirk));
  return names;
}

std::string id_fields(const imap::IdFields& fields) {
  std::string text;
  for (const auto& [name, value] : fields) text += (text.empty() ? "" : ", ") + name + " " + value;
  return text;
}

void print_mailboxes(const std::vector<imap::ListedMailbox>& mailboxes) {
  std::uint64_t messages = 0;
  bool all_known = true;
  for (const auto& mailbox : mailboxes) {
    messages += mailbox.status.messages.value_or(0);
    all_known = all_known && (mailbox.status.messages.has_value() || !mailbox.selectable);
  }
  print("mailboxes", all_known ? fmt::format("{} with {} messages", mailboxes.size(), messages)
                               : fmt::format("{}", mailboxes.size()));
}

void print_writing(imap::Session& session, const std::vector<imap::ListedMailbox>& mailboxes,
                   sync::RemovalPolicy policy, const CallContext& context) {
  WritingFacts facts;
  for (const auto& mailbox : mailboxes)
    if (mailbox.special_use == SpecialUse::trash) facts.trash = mailbox.name;
  if (const auto rights = session.my_rights("INBOX", context)) facts.rights = *rights;
  for (const auto& [label, value] : describe_writing(session.traits(), facts, policy)) print(label, value);
}

}  // namespace

int check_account(const Options& options, std::shared_ptr<PasswordSource> password) {
  mime::initialise_mime();
  telemetry::LogSettings log;  // standard error: the user is looking
  log.level = std::max(options.log_level, telemetry::Level::warning);
  log.traced = options.traced;
  if (const auto configured = telemetry::configure(log); !configured) return 1;
  const auto context = CallContext::within(options.timeout);
  const auto settings = account_settings(options, std::move(password));
  auto session = imap::open_session(settings, context);
  if (!session) {
    std::fprintf(stderr, "imapfs: %s\n", session.error().what.c_str());
    return 1;
  }
  const auto& traits = (*session)->traits();
  print("account", options.url());
  print("connection", (*session)->description());
  print("greeting", traits.greeting);
  print("server", id_fields(traits.id));
  print("capabilities", joined(traits.capabilities.words()));
  print("quirks", quirk_names(traits.quirks));
  const auto mailboxes = (*session)->list("", context);
  if (!mailboxes) {
    std::fprintf(stderr, "imapfs: %s\n", mailboxes.error().what.c_str());
    return 1;
  }
  print_mailboxes(*mailboxes);
  const auto quota = (*session)->quota("INBOX", context);
  if (quota && *quota) print("quota", fmt::format("{} of {} KiB used", (*quota)->used_kib, (*quota)->limit_kib));
  else print("quota", "not told");
  print_writing(**session, *mailboxes, options.removal, context);
  (*session)->logout();
  return 0;
}

}  // namespace imapfs::app
