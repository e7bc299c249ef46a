// Of ImapCommands what is about messages.

#include <algorithm>

#include "imap_commands.hpp"

namespace imapfs::testing {
namespace {

/// "BODY.PEEK[HEADER.FIELDS (FROM)]<0.100>" taken apart: the section, and what stands behind it.
struct Section {
  std::string name;
  std::string part;

  explicit Section(const std::string& item) {
    const auto open = item.find('[');
    const auto close = item.rfind(']');
    name = item.substr(open + 1, close - open - 1);
    part = item.substr(close + 1);
  }
  [[nodiscard]] std::string octets(const std::string& text) const {
    if (name.empty()) return text;
    if (name == "HEADER") return header_of(text);
    if (name.starts_with("HEADER.FIELDS ")) return header_fields(text, name.substr(name.find('(')));
    return text.substr(header_of(text).size());
  }
};

/// BODY[…]<0> {12} and the octets.
std::string body_item(const ImapMessage& message, const std::string& item) {
  const Section section(item);
  auto octets = section.octets(message.text);
  auto label = "BODY[" + section.name + ']';
  if (const auto dot = section.part.find('.'); dot != std::string::npos) {
    const auto first = std::min<std::size_t>(std::stoul(section.part.substr(1)), octets.size());
    octets = octets.substr(first, std::stoul(section.part.substr(dot + 1)));
    label += section.part.substr(0, dot) + '>';
  }
  return label + " {" + std::to_string(octets.size()) + "}\r\n" + octets;
}

std::string fetch_item(const ImapDialogue& client, const ImapMessage& message, const std::string& item) {
  if (item == "UID") return "UID " + std::to_string(message.uid);
  if (item == "FLAGS") return "FLAGS " + imap_list(message.flags);
  if (item == "INTERNALDATE") return "INTERNALDATE " + imap_string(message.internal_date);
  if (item == "RFC822.SIZE") return "RFC822.SIZE " + std::to_string(message.text.size());
  if (item == "MODSEQ") return client.tells_modseq ? "MODSEQ (" + std::to_string(message.modseq) + ')' : "";
  return item.starts_with("BODY") ? body_item(message, item) : "";
}

std::set<std::string> with_flags(const ImapMessage& message, const std::string& how, const std::string& list) {
  const auto words = values_in_parentheses(list);
  auto flags = how.starts_with('+') || how.starts_with('-') ? message.flags : std::set<std::string>{};
  for (const auto& word : words) {
    if (how.starts_with('-')) flags.erase(word);
    else flags.insert(word);
  }
  return flags;
}

}  // namespace

std::vector<std::uint32_t> ImapCommands::named(const ImapDialogue& client, const ImapCommand& command) {
  const auto& view = client.view().uids();
  const auto highest = command.by_uid ? (view.empty() ? 0 : view.back()) : static_cast<std::uint32_t>(view.size());
  const NumberSet set(command.argument(0), highest);
  std::vector<std::uint32_t> uids;
  for (std::size_t number = 1; number <= view.size(); ++number) {
    const auto uid = view[number - 1];
    if (set.contains(command.by_uid ? uid : static_cast<std::uint32_t>(number))) uids.push_back(uid);
  }
  return uids;
}

// -- reading --

std::string ImapCommands::fetch_row(const ImapDialogue& client, const ImapMessage& message,
                                    const std::vector<std::string>& items) {
  std::string row;
  for (const auto& item : items) {
    const auto value = fetch_item(client, message, item);
    if (!value.empty()) row += (row.empty() ? "" : " ") + value;
  }
  return '(' + row + ')';
}

void ImapCommands::fetch(ImapDialogue& client, const ImapCommand& command) {
  auto items = values_in_parentheses(command.argument(1));
  if (command.by_uid && std::find(items.begin(), items.end(), "UID") == items.end()) items.insert(items.begin(), "UID");
  const auto modifiers = values_in_parentheses(command.argument(2));
  if (!modifiers.empty() && !has("CONDSTORE")) return client.bad(command);
  const std::uint64_t since = modifiers.size() > 1 ? std::stoull(modifiers[1]) : 0;
  client.tells_modseq = client.tells_modseq || !modifiers.empty();
  const auto uids = named(client, command);
  client.account().look([&](const auto&) {
    auto& mailbox = *client.view().mailbox();
    std::vector<std::uint32_t> gone;
    for (const auto& [uid, when] : mailbox.expunged) {
      if (when > since && NumberSet(command.argument(0), UINT32_MAX).contains(uid)) gone.push_back(uid);
    }
    if (modifiers.size() > 2 && !gone.empty()) client.untagged("VANISHED (EARLIER) " + set_text(gone));
    for (const auto uid : uids) {
      const auto* const message = mailbox.find(uid);
      if (message == nullptr || (since > 0 && message->modseq <= since)) continue;
      client.untagged(std::to_string(client.view().sequence_number(uid)) + " FETCH " +
                      fetch_row(client, *message, items));
    }
  });
  client.ok(command);
}

void ImapCommands::search(ImapDialogue& client, const ImapCommand& command) {
  const bool extended = command.argument(0) == "RETURN";
  if (extended && !has("ESEARCH")) return client.bad(command);
  const std::size_t first = extended ? 2 : 0;
  const bool by_set = command.argument(first) == "UID";
  if (!by_set && command.argument(first) != "ALL") return client.bad(command);
  const NumberSet set(by_set ? command.argument(first + 1) : "1:*",
                      client.view().uids().empty() ? 0 : client.view().uids().back());
  std::vector<std::uint32_t> found;
  for (const auto uid : client.view().uids()) {
    if (!set.contains(uid)) continue;
    found.push_back(command.by_uid ? uid : static_cast<std::uint32_t>(client.view().sequence_number(uid)));
  }
  if (extended) {
    const auto all = found.empty() ? "" : " ALL " + set_text(found);
    client.untagged("ESEARCH (TAG " + imap_string(command.tag) + ") UID" + all);
  } else {
    std::string numbers;
    for (const auto number : found) numbers += ' ' + std::to_string(number);
    client.untagged("SEARCH" + numbers);
  }
  client.ok(command);
}

// -- changing --

void ImapCommands::store(ImapDialogue& client, const ImapCommand& command) {
  const auto how = in_upper_case(command.argument(1));
  const bool silent = how.ends_with(".SILENT");
  const auto uids = named(client, command);
  client.tell_news();
  client.account().change([&](const auto&) {
    for (const auto uid : uids) {
      auto* const message = client.view().mailbox()->find(uid);
      if (message == nullptr) continue;
      client.view().mailbox()->set_flags(*message, with_flags(*message, how, command.argument(2)));
      std::vector<std::string> items = {"UID", "MODSEQ"};
      if (!silent) items.emplace_back("FLAGS");
      if (silent && !client.tells_modseq) continue;
      client.untagged(std::to_string(client.view().sequence_number(uid)) + " FETCH " +
                      fetch_row(client, *message, items));
    }
  });
  client.view().knows_flags();
  client.ok(command);
}

std::string ImapCommands::copy_messages(ImapDialogue& client, const ImapCommand& command) {
  const auto uids = named(client, command);
  std::vector<std::uint32_t> from;
  std::vector<std::uint32_t> to;
  std::string data;
  client.account().change([&](ImapAccount::Mailboxes& mailboxes) {
    const auto target = mailboxes.find(command.argument(1));
    if (target == mailboxes.end()) return;
    for (const auto uid : uids) {
      const auto* const message = client.view().mailbox()->find(uid);
      if (message == nullptr) continue;
      const auto copied = *message;
      from.push_back(uid);
      to.push_back(target->second->append(copied.text, copied.flags, copied.internal_date));
    }
    data = std::to_string(target->second->uid_validity);
  });
  if (data.empty() || from.empty()) return data;
  return data + ' ' + set_text(from) + ' ' + set_text(to);
}

void ImapCommands::copy(ImapDialogue& client, const ImapCommand& command) {
  const auto data = copy_messages(client, command);
  if (data.empty()) return client.no(command, "[TRYCREATE] no such mailbox");
  client.ok(command, has("UIDPLUS") ? "[COPYUID " + data + "] copied" : "copied");
}

void ImapCommands::move(ImapDialogue& client, const ImapCommand& command) {
  const auto data = copy_messages(client, command);
  if (data.empty()) return client.no(command, "[TRYCREATE] no such mailbox");
  if (has("UIDPLUS")) client.untagged("OK [COPYUID " + data + "] moved");
  const auto uids = named(client, command);
  client.account().change([&](const auto&) {
    for (const auto uid : uids) client.view().mailbox()->expunge(uid);
  });
  client.ok(command);
}

void ImapCommands::expunge(ImapDialogue& client, const ImapCommand& command) {
  if (command.by_uid && !has("UIDPLUS")) return client.bad(command);
  const auto uids = command.by_uid ? named(client, command) : client.view().uids();
  client.account().change([&](const auto&) {
    for (const auto uid : uids) {
      const auto* const message = client.view().mailbox()->find(uid);
      if (message != nullptr && message->flags.contains("\\Deleted")) client.view().mailbox()->expunge(uid);
    }
  });
  client.ok(command);
}

void ImapCommands::append(ImapDialogue& client, const ImapCommand& command) {
  std::set<std::string> flags;
  std::string date;
  for (std::size_t at = 1; at + 1 < command.arguments.size(); ++at) {
    const auto& value = command.arguments[at];
    if (!value.starts_with('(')) {
      date = value;
      continue;
    }
    const auto words = values_in_parentheses(value);
    flags.insert(words.begin(), words.end());
  }
  std::string code;
  client.account().change([&](ImapAccount::Mailboxes& mailboxes) {
    const auto target = mailboxes.find(command.argument(0));
    if (target == mailboxes.end()) return;
    const auto uid = target->second->append(command.arguments.back(), flags, date);
    code = "[APPENDUID " + std::to_string(target->second->uid_validity) + ' ' + std::to_string(uid) + "] ";
  });
  if (code.empty()) return client.no(command, "[TRYCREATE] no such mailbox");
  client.ok(command, has("UIDPLUS") ? code + "appended" : "appended");
}

}  // namespace imapfs::testing
