#include "sync/tree/server_names.hpp"

#include <algorithm>

#include "imapfs/mime/names.hpp"
#include "sync/tree/tree_builder.hpp"

namespace imapfs::sync {
namespace {

/// Removes the last `levels` levels.
bool cut_levels(std::string& name, char delimiter, std::size_t levels) {
  if (!name.empty() && name.back() == delimiter) name.pop_back();
  for (; levels > 0; --levels) {
    const auto end = name.rfind(delimiter);
    if (end == std::string::npos || end == 0) return false;
    name.resize(end);
  }
  return true;
}

/// The nearest mailbox at or below `directory`, and its depth below it.
const MailboxNode* nearest_mailbox(const MailboxTree& tree, const MailboxNode& directory, std::size_t& depth) {
  std::vector<const MailboxNode*> level{&directory};
  for (depth = 0; !level.empty(); ++depth) {
    std::vector<const MailboxNode*> next;
    for (const auto* node : level) {
      if (!node->name.empty()) return node;
      for (const auto& [component, id] : node->children)
        if (const auto* child = tree.find(id)) next.push_back(child);
    }
    level = std::move(next);
  }
  return nullptr;
}

/// The prefix of names in the root.
ServerName personal_prefix(const MailboxTree& tree, const std::vector<imap::Namespace>& namespaces) {
  const auto personal = std::find_if(namespaces.begin(), namespaces.end(), [](const imap::Namespace& space) {
    return space.kind == imap::Namespace::Kind::personal;
  });
  if (personal != namespaces.end() && personal->delimiter != 0)
    return {personal->wire_prefix, personal->prefix, personal->delimiter};
  const auto* inbox_node = tree.find_wire_name("INBOX");
  const char delimiter = inbox_node != nullptr ? inbox_node->delimiter : '\0';
  if (personal != namespaces.end()) return {personal->wire_prefix, personal->prefix, delimiter};
  return {{}, {}, delimiter};
}

void replace_prefix(std::string& name, std::size_t length, const std::string& by, char from, char to) {
  auto rest = name.substr(length);
  if (from != to && from != 0) std::replace(rest.begin(), rest.end(), from, to);
  name = by + rest;
}

}  // namespace

bool ServerName::is_above(const imap::WireName& other) const {
  return delimiter != 0 && other.size() > wire.size() + 1 && other.starts_with(wire) && other[wire.size()] == delimiter;
}

std::optional<ServerName> server_name_of(const MailboxTree& tree, const MailboxNode& directory) {
  if (directory.id.value == 0) return std::nullopt;
  std::size_t depth = 0;
  const auto* node = nearest_mailbox(tree, directory, depth);
  if (node == nullptr) return std::nullopt;
  ServerName found{node->wire_name, node->name, node->delimiter};
  // Cutting encoded names is safe: the delimiter is an ASCII character that does not occur in modified UTF-7's base64.
  if (depth > 0 && found.delimiter == 0) return std::nullopt;
  if (found.delimiter != 0 &&
      !(cut_levels(found.wire, found.delimiter, depth) && cut_levels(found.name, found.delimiter, depth)))
    return std::nullopt;
  return found;
}

Result<ServerName> server_name_below(const MailboxTree& tree, const std::vector<imap::Namespace>& namespaces,
                                     const MailboxNode& parent, const std::string& component) {
  if (component.size() > longest_component) return fail(ENAMETOOLONG, "the name is too long");
  const auto level = IMAPFS_TRY(mime::mailbox_level_from_component(component));
  if (level.empty()) return fail(EINVAL, "no mailbox can have this name");
  ServerName name;
  if (parent.id.value == 0) {
    if (is_inbox(level)) return fail(EEXIST, "there is only one INBOX");
    name = personal_prefix(tree, namespaces);
  } else {
    auto above = server_name_of(tree, parent);
    if (!above) return fail(EPERM, "the directory has no name on the server");
    if (above->delimiter == 0 || !parent.may_have_children)
      return fail(EPERM, Scope::mailbox, Retry::never, "the server allows no mailboxes below this one");
    name = std::move(*above);
    name.wire += name.delimiter;
    name.name += name.delimiter;
  }
  if (name.delimiter != 0 && level.find(name.delimiter) != std::string::npos)
    return fail(EINVAL, "the server separates levels by '{}', so no mailbox can have it in its name", name.delimiter);
  name.wire += IMAPFS_TRY(mime::encode_mailbox_name(level));
  name.name += level;
  return name;
}

bool rename_row(imap::ListedMailbox& row, const ServerName& from, const ServerName& to) {
  if (row.wire_name != from.wire && !from.is_above(row.wire_name)) return false;
  replace_prefix(row.wire_name, from.wire.size(), to.wire, from.delimiter, to.delimiter);
  if (row.name.starts_with(from.name))
    replace_prefix(row.name, from.name.size(), to.name, from.delimiter, to.delimiter);
  else row.name = mime::decode_mailbox_name(row.wire_name).utf8;
  row.delimiter = to.delimiter;
  return true;
}

}  // namespace imapfs::sync
