// Of ImapCommands what is about the connection, the mailboxes and the selection.

#include "imap_commands.hpp"

#include <array>
#include <utility>

namespace imapfs::testing {
namespace {

using Method = void (ImapCommands::*)(ImapDialogue&, const ImapCommand&);

struct Known {
  std::string_view name;
  Method method;
  std::string_view needs = {};  ///< a capability
  bool needs_selection = false;
};

constexpr Known known_commands[] = {
    {"CAPABILITY", &ImapCommands::capability},
    {"NOOP", &ImapCommands::noop},
    {"CHECK", &ImapCommands::noop},
    {"LOGOUT", &ImapCommands::logout},
    {"LOGIN", &ImapCommands::login},
    {"AUTHENTICATE", &ImapCommands::authenticate, "AUTH=PLAIN"},
    {"ID", &ImapCommands::id, "ID"},
    {"ENABLE", &ImapCommands::enable, "ENABLE"},
    {"NAMESPACE", &ImapCommands::name_space, "NAMESPACE"},
    {"LIST", &ImapCommands::list},
    {"LSUB", &ImapCommands::list},
    {"STATUS", &ImapCommands::status},
    {"SELECT", &ImapCommands::select},
    {"EXAMINE", &ImapCommands::select},
    {"UNSELECT", &ImapCommands::unselect, "UNSELECT", true},
    {"CLOSE", &ImapCommands::unselect, {}, true},
    {"IDLE", &ImapCommands::idle, "IDLE"},
    {"NOTIFY", &ImapCommands::notify, "NOTIFY"},
    {"FETCH", &ImapCommands::fetch, {}, true},
    {"SEARCH", &ImapCommands::search, {}, true},
    {"STORE", &ImapCommands::store, {}, true},
    {"COPY", &ImapCommands::copy, {}, true},
    {"MOVE", &ImapCommands::move, "MOVE", true},
    {"EXPUNGE", &ImapCommands::expunge, {}, true},
    {"APPEND", &ImapCommands::append},
    {"CREATE", &ImapCommands::create},
    {"DELETE", &ImapCommands::remove},
    {"RENAME", &ImapCommands::rename},
    {"SUBSCRIBE", &ImapCommands::subscribe},
    {"UNSUBSCRIBE", &ImapCommands::subscribe},
};

/// What stands behind `word` in "(QRESYNC (1 5))".
std::string parameter(const std::string& list, const std::string& word) {
  const auto values = values_in_parentheses(list);
  for (std::size_t at = 0; at + 1 < values.size(); ++at) {
    if (values[at] == word) return values[at + 1];
  }
  return {};
}

bool in_list(const std::string& name, const std::string& pattern) {
  const auto wild = pattern.find_first_of("*%");
  return wild == std::string::npos ? name == pattern : name.starts_with(pattern.substr(0, wild));
}

}  // namespace

ImapCommands::ImapCommands(const std::string& capabilities) : capabilities_(capabilities) {
  for (const auto& word : imap_values(capabilities)) words_.insert(in_upper_case(word));
}

void ImapCommands::answer(ImapDialogue& client, const ImapCommand& command) {
  for (const auto& known : known_commands) {
    if (known.name != command.name) continue;
    if (!known.needs.empty() && !has(known.needs)) break;
    if (known.needs_selection && !client.view().mailbox()) break;
    return (this->*known.method)(client, command);
  }
  client.bad(command);
}

bool ImapCommands::with_mailbox(ImapDialogue& client, const ImapCommand& command, const std::string& name,
                                const std::function<void(std::shared_ptr<ImapMailbox>&)>& use) {
  bool found = false;
  client.account().change([&](ImapAccount::Mailboxes& mailboxes) {
    const auto at = mailboxes.find(in_upper_case(name) == "INBOX" ? "INBOX" : name);
    found = at != mailboxes.end() && at->second->selectable;
    if (found) use(at->second);
  });
  if (!found) client.no(command, "[NONEXISTENT] no such mailbox");
  return found;
}

// -- the connection --

void ImapCommands::greet(ImapDialogue& client) { client.untagged("OK [CAPABILITY " + capabilities_ + "] ready"); }

void ImapCommands::capability(ImapDialogue& client, const ImapCommand& command) {
  client.untagged("CAPABILITY " + capabilities_);
  client.ok(command);
}

void ImapCommands::login(ImapDialogue& client, const ImapCommand& command) {
  client.ok(command, "[CAPABILITY " + capabilities_ + "] logged in");
}

void ImapCommands::authenticate(ImapDialogue& client, const ImapCommand& command) {
  if (command.arguments.size() < 2) {
    client.continuation("");
    if (!client.line()) return;
  }
  login(client, command);
}

void ImapCommands::id(ImapDialogue& client, const ImapCommand& command) {
  client.untagged("ID NIL");
  client.ok(command);
}

void ImapCommands::enable(ImapDialogue& client, const ImapCommand& command) {
  std::string enabled;
  for (const auto& word : command.arguments) {
    if (!has(word)) continue;
    client.enabled.insert(word);
    enabled += ' ' + word;
  }
  client.tells_modseq = client.enabled.contains("CONDSTORE") || client.enabled.contains("QRESYNC");
  client.untagged("ENABLED" + enabled);
  client.ok(command);
}

void ImapCommands::noop(ImapDialogue& client, const ImapCommand& command) { client.ok(command); }

void ImapCommands::idle(ImapDialogue& client, const ImapCommand& command) {
  client.continuation("idling");
  client.tell_news();
  if (client.idle()) client.ok(command);
}

void ImapCommands::notify(ImapDialogue& client, const ImapCommand& command) {
  client.view().notify();
  client.ok(command);
}

void ImapCommands::logout(ImapDialogue& client, const ImapCommand& command) {
  client.untagged("BYE see you");
  client.tagged(command, "OK done");
  client.hang_up();
}

// -- mailboxes --

void ImapCommands::name_space(ImapDialogue& client, const ImapCommand& command) {
  client.untagged(R"(NAMESPACE (("" "/")) NIL NIL)");
  client.ok(command);
}

void ImapCommands::list(ImapDialogue& client, const ImapCommand& command) {
  const bool extended = command.arguments.size() > 2;
  if (extended && !has("LIST-EXTENDED") && !has("LIST-STATUS")) return client.bad(command);
  const auto wanted = parameter(command.argument(3), "STATUS");
  client.account().look([&](const ImapAccount::Mailboxes& mailboxes) {
    for (const auto& [name, mailbox] : mailboxes) {
      if (!in_list(name, command.argument(0) + command.argument(1))) continue;
      client.untagged(command.name + (mailbox->selectable ? " () \"/\" " : " (\\Noselect) \"/\" ") + imap_string(name));
      if (mailbox->selectable && !wanted.empty())
        client.untagged("STATUS " + imap_string(name) + ' ' + status_items(*mailbox, wanted));
    }
  });
  client.ok(command);
}

std::string ImapCommands::status_items(const ImapMailbox& mailbox, const std::string& wanted) {
  std::size_t unseen = 0;
  std::size_t octets = 0;
  for (const auto& message : mailbox.messages) {
    if (!message.flags.contains("\\Seen")) ++unseen;
    octets += message.text.size();
  }
  const std::array<std::pair<std::string_view, std::uint64_t>, 7> values = {
      {{"MESSAGES", mailbox.messages.size()},
       {"RECENT", 0},
       {"UIDNEXT", mailbox.uid_next},
       {"UIDVALIDITY", mailbox.uid_validity},
       {"UNSEEN", unseen},
       {"SIZE", octets},
       {"HIGHESTMODSEQ", mailbox.highest_modseq}}};
  std::string items;
  for (const auto& word : values_in_parentheses(wanted)) {
    for (const auto& [name, value] : values) {
      if (name == word) items += (items.empty() ? "" : " ") + word + ' ' + std::to_string(value);
    }
  }
  return '(' + items + ')';
}

void ImapCommands::status(ImapDialogue& client, const ImapCommand& command) {
  std::string items;
  const auto name = command.argument(0);
  const auto use = [&](const auto& mailbox) { items = status_items(*mailbox, command.argument(1)); };
  if (!with_mailbox(client, command, name, use)) return;
  client.untagged("STATUS " + imap_string(name) + ' ' + items);
  client.ok(command);
}

void ImapCommands::create(ImapDialogue& client, const ImapCommand& command) {
  bool made = false;
  client.account().change([&](ImapAccount::Mailboxes& mailboxes) {
    const auto validity = static_cast<std::uint32_t>(mailboxes.size()) + 1;
    made = mailboxes.try_emplace(command.argument(0), std::make_shared<ImapMailbox>()).second;
    if (made) mailboxes[command.argument(0)]->uid_validity = validity;
  });
  made ? client.ok(command) : client.no(command, "[ALREADYEXISTS] it is there");
}

void ImapCommands::remove(ImapDialogue& client, const ImapCommand& command) {
  std::size_t removed = 0;
  client.account().change([&](ImapAccount::Mailboxes& mailboxes) { removed = mailboxes.erase(command.argument(0)); });
  removed > 0 ? client.ok(command) : client.no(command, "[NONEXISTENT] no such mailbox");
}

void ImapCommands::rename(ImapDialogue& client, const ImapCommand& command) {
  const auto from = command.argument(0);
  std::size_t renamed = 0;
  client.account().change([&](ImapAccount::Mailboxes& mailboxes) {
    ImapAccount::Mailboxes after;
    for (auto& [name, mailbox] : mailboxes) {
      const bool moves = name == from || name.starts_with(from + '/');
      if (moves) ++renamed;
      after[moves ? command.argument(1) + name.substr(from.size()) : name] = std::move(mailbox);
    }
    mailboxes = std::move(after);
  });
  renamed > 0 ? client.ok(command) : client.no(command, "[NONEXISTENT] no such mailbox");
}

void ImapCommands::subscribe(ImapDialogue& client, const ImapCommand& command) { client.ok(command); }

// -- the selection --

void ImapCommands::select(ImapDialogue& client, const ImapCommand& command) {
  client.view().unselect();
  const auto parameters = command.argument(1);
  if (!parameters.empty() && !has("CONDSTORE")) return client.bad(command);
  client.tells_modseq = client.tells_modseq || !parameters.empty();
  const auto name = command.argument(0);
  const bool found = with_mailbox(client, command, name, [&](const auto& mailbox) {
    client.view().select(name, mailbox);
    client.untagged("FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)");
    client.untagged("OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] kept");
    client.untagged(std::to_string(mailbox->messages.size()) + " EXISTS");
    client.untagged("0 RECENT");
    client.untagged("OK [UIDVALIDITY " + std::to_string(mailbox->uid_validity) + "] valid");
    client.untagged("OK [UIDNEXT " + std::to_string(mailbox->uid_next) + "] next");
    if (has("CONDSTORE")) client.untagged("OK [HIGHESTMODSEQ " + std::to_string(mailbox->highest_modseq) + "] highest");
    tell_changes_since(client, *mailbox, parameter(parameters, "QRESYNC"));
  });
  if (found) client.tagged(command, command.name == "EXAMINE" ? "OK [READ-ONLY] examined" : "OK [READ-WRITE] selected");
}

/// RFC 7162 §3.2.5.
void ImapCommands::tell_changes_since(ImapDialogue& client, const ImapMailbox& mailbox, const std::string& parameters) {
  const auto values = values_in_parentheses(parameters);
  if (values.size() < 2 || std::stoul(values[0]) != mailbox.uid_validity) return;
  const auto since = std::stoull(values[1]);
  std::vector<std::uint32_t> gone;
  for (const auto& [uid, when] : mailbox.expunged) {
    if (when > since) gone.push_back(uid);
  }
  if (!gone.empty()) client.untagged("VANISHED (EARLIER) " + set_text(gone));
  for (const auto& message : mailbox.messages) {
    if (message.modseq <= since) continue;
    client.untagged(std::to_string(client.view().sequence_number(message.uid)) + " FETCH " +
                    fetch_row(client, message, {"UID", "FLAGS", "MODSEQ"}));
  }
}

void ImapCommands::unselect(ImapDialogue& client, const ImapCommand& command) {
  client.view().unselect();
  client.ok(command);
}

}  // namespace imapfs::testing
