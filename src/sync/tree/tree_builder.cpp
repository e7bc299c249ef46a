#include "sync/tree/tree_builder.hpp"

#include <algorithm>
#include <tuple>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/names.hpp"
#include "imapfs/model/identity.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t longest_name = 4096;
constexpr std::ptrdiff_t deepest_level = 100;
constexpr std::size_t most_drafts = 250000;
constexpr std::size_t most_path_bytes = 128 << 20;
constexpr std::size_t most_namespaces = 64;
/// component_from_mailbox_level() never produces it, because '~' needs no escape.
constexpr std::string_view distinction = "%7E";
constexpr std::string_view inbox = "INBOX";

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  const auto lower = [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter;
  };
  return left.size() == right.size() &&
         std::equal(left.begin(), left.end(), right.begin(), [&](char a, char b) { return lower(a) == lower(b); });
}

/// RFC 9051 §5.1: INBOX is case-insensitive; servers treat "Inbox." as a prefix in the same way.
bool has_prefix(std::string_view name, std::string_view prefix) {
  if (name.size() < prefix.size()) return false;
  if (prefix.size() > inbox.size() && is_inbox(prefix.substr(0, inbox.size()))) {
    return is_inbox(name.substr(0, inbox.size())) &&
           name.substr(inbox.size(), prefix.size() - inbox.size()) == prefix.substr(inbox.size());
  }
  return name.starts_with(prefix);
}

std::string hashed(std::string_view text) { return fmt::format("{}{:016x}", distinction, stable_hash(text)); }

/// Cuts `component` on a character boundary so that `suffix` fits behind it.
std::string with_suffix(std::string component, std::string_view suffix) {
  auto cut = longest_component - suffix.size();
  if (component.size() > cut) {
    while (cut > 0 && (static_cast<unsigned char>(component[cut]) & 0xc0) == 0x80) --cut;
    // Half an escape would have another meaning.
    if (cut >= 1 && component[cut - 1] == '%') {
      cut -= 1;
    } else if (cut >= 2 && component[cut - 2] == '%') {
      cut -= 2;
    }
    component.resize(cut);
  }
  return component.append(suffix);
}

std::string component_of(std::string_view text) {
  auto component = mime::component_from_mailbox_level(text);
  if (component.empty()) return std::string(distinction);
  return component.size() <= longest_component ? component : with_suffix(std::move(component), hashed(text));
}

}  // namespace

bool is_inbox(std::string_view name) { return equal_ignoring_case(name, inbox); }

MailboxTreeBuilder::MailboxTreeBuilder(const std::vector<imap::Namespace>& namespaces,
                                       const std::vector<imap::ListedMailbox>& mailboxes)
    : drafts_(1) {
  read_namespaces(namespaces);
  std::size_t left_out = 0;
  for (const auto& entry : entries(mailboxes)) left_out += place(entry) ? 0 : 1;
  if (left_out > 0) telemetry::warning("{} mailboxes left out: names too long, too deep or too many", left_out);
}

void MailboxTreeBuilder::read_namespaces(const std::vector<imap::Namespace>& namespaces) {
  bool personal_known = false;
  for (const auto& space : namespaces) {
    if (space.kind == imap::Namespace::Kind::personal && !personal_known) {
      personal_prefix_ = space.prefix;
      personal_known = true;
    } else if (!space.prefix.empty() && other_prefixes_.size() < most_namespaces) {
      other_prefixes_.push_back(space.prefix);
    }
  }
}

MailboxTreeBuilder::Entry MailboxTreeBuilder::entry(const imap::ListedMailbox& mailbox) const {
  if (is_inbox(mailbox.name)) return Entry{&mailbox, inbox, 0, true};
  std::string_view name = mailbox.name;
  std::size_t longest_other = 0;
  for (const auto& prefix : other_prefixes_) {
    if (has_prefix(name, prefix)) longest_other = std::max(longest_other, prefix.size());
  }
  const bool personal = has_prefix(name, personal_prefix_) && longest_other <= personal_prefix_.size();
  std::size_t stripped = personal ? personal_prefix_.size() : 0;
  // Some servers list directories as "mail/", others write all names as "/mail".
  const auto delimiter = mailbox.delimiter;
  if (delimiter != 0 && name.size() > 1 && name.back() == delimiter) name.remove_suffix(1);
  if (stripped == 0 && delimiter != 0 && name.size() > 1 && name.front() == delimiter) stripped = 1;
  // The prefix itself ("mail" or "mail/" for "mail/") is not a directory within itself.
  if (stripped >= name.size()) stripped = 0;
  return Entry{&mailbox, name, stripped, personal};
}

std::vector<MailboxTreeBuilder::Entry> MailboxTreeBuilder::entries(
    const std::vector<imap::ListedMailbox>& mailboxes) const {
  std::vector<Entry> rows;
  rows.reserve(mailboxes.size());
  for (const auto& mailbox : mailboxes) {
    const bool bare_prefix = !mailbox.selectable && !is_inbox(mailbox.name) && !personal_prefix_.empty() &&
                             std::string_view(personal_prefix_).starts_with(mailbox.name) &&
                             mailbox.name.size() + 1 >= personal_prefix_.size();
    if (!bare_prefix && !mailbox.name.empty()) rows.push_back(entry(mailbox));
  }
  // The order in which names get their components must not depend on the order of LIST.
  const auto key = [](const Entry& row) {
    return std::make_tuple(!row.personal, row.name, !row.mailbox->selectable, std::string_view(row.mailbox->wire_name));
  };
  std::stable_sort(rows.begin(), rows.end(), [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
  const auto same = [](const Entry& a, const Entry& b) {
    return a.name == b.name && (a.name == inbox || a.mailbox->wire_name == b.mailbox->wire_name);
  };
  rows.erase(std::unique(rows.begin(), rows.end(), same), rows.end());
  return rows;
}

bool MailboxTreeBuilder::within_bounds(const Entry& entry) const {
  const auto delimiter = entry.mailbox->delimiter;
  const auto deeper = delimiter == 0 ? 0 : std::count(entry.name.begin(), entry.name.end(), delimiter);
  return entry.name.size() <= longest_name && deeper < deepest_level &&
         drafts_.size() + static_cast<std::size_t>(deeper) < most_drafts && path_bytes_ < most_path_bytes;
}

bool MailboxTreeBuilder::place(const Entry& entry) {
  if (!within_bounds(entry)) return false;
  const auto delimiter = entry.mailbox->delimiter;
  std::size_t parent = 0;
  std::size_t begin = entry.stripped;
  while (delimiter != 0) {
    const auto end = entry.name.find(delimiter, begin);
    if (end == std::string_view::npos) break;
    parent = level(parent, entry.name.substr(0, end), entry.name.substr(begin, end - begin), delimiter);
    begin = end + 1;
  }
  occupy(parent, entry, entry.name.substr(begin));
  return true;
}

std::size_t MailboxTreeBuilder::level(std::size_t parent, std::string_view server_name, std::string_view text,
                                      char delimiter) {
  // "Inbox/x" and "INBOX" share one directory.
  const std::string key(parent == 0 && is_inbox(server_name) ? inbox : server_name);
  const auto known = by_server_name_.find(key);
  if (known != by_server_name_.end()) return known->second;
  const auto draft = create(parent, free_component(parent, key == inbox ? inbox : text, key, key), delimiter);
  by_server_name_.emplace(key, draft);
  return draft;
}

void MailboxTreeBuilder::occupy(std::size_t parent, const Entry& entry, std::string_view text) {
  const auto draft = level(parent, entry.name, text, entry.mailbox->delimiter);
  auto& occupant = drafts_[draft].mailbox;
  if (occupant == nullptr || (!occupant->selectable && entry.mailbox->selectable)) {
    occupant = entry.mailbox;
    drafts_[draft].delimiter = entry.mailbox->delimiter;
  } else if (entry.mailbox->selectable) {
    // Another mailbox has a name that decodes to the same text.
    auto component = free_component(parent, text, entry.name, entry.mailbox->wire_name);
    drafts_[create(parent, std::move(component), entry.mailbox->delimiter)].mailbox = entry.mailbox;
  }
}

std::string MailboxTreeBuilder::free_component(std::size_t parent, std::string_view text, std::string_view server_name,
                                               std::string_view unique) const {
  const auto& siblings = drafts_[parent].children;
  const auto taken = [&](const std::string& component) {
    // INBOX always exists, even if LIST left it out: "INBOX.INBOX" below a stripped prefix never takes its place.
    return siblings.contains(component) || (parent == 0 && component == inbox && server_name != inbox);
  };
  const auto plain = component_of(text);
  if (!taken(plain)) return plain;
  auto component = with_suffix(plain, distinction);
  for (std::uint64_t attempt = 0; taken(component); ++attempt) {
    component = with_suffix(plain, hashed(fmt::format("{}\n{}", unique, attempt)));
  }
  return component;
}

std::size_t MailboxTreeBuilder::create(std::size_t parent, std::string component, char delimiter) {
  const auto index = drafts_.size();
  MailboxDraft draft;
  draft.parent = parent;
  draft.path = parent == 0 ? component : drafts_[parent].path + "/" + component;
  draft.component = std::move(component);
  draft.delimiter = delimiter;
  path_bytes_ += draft.path.size();
  drafts_[parent].children.emplace(draft.component, index);
  drafts_.push_back(std::move(draft));
  return index;
}

}  // namespace imapfs::sync
