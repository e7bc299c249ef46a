// Flags that a user gives to a file that is not a message yet: its APPEND has them.

#include <sstream>
#include <utility>

#include "vfs/staging/staging_implementation.hpp"

namespace imapfs::vfs {

namespace {

FlagSet changed_by(FlagSet flags, const FlagChange& change) {
  if (change.kind == FlagChange::Kind::replace) return change.flags;
  std::istringstream words(change.flags.to_string());
  for (std::string word; words >> word;) {
    if (change.kind == FlagChange::Kind::add) flags.add(word);
    else flags.remove(word);
  }
  return flags;
}

}  // namespace

void Staging::Implementation::set_flags(NodeId node, const std::vector<FlagChange>& changes,
                                        const Reply<std::optional<MessageLocation>>& reply) {
  const auto file = find(node);
  if (!file) {
    const auto message = around_.aliases.message_of(node);
    if (!message) return reply(fail(ESTALE, Scope::message, Retry::now, "the file is not staged any more"));
    return reply(message);
  }
  when_idle(file, [this, file, changes, reply] {
    // It was uploaded meanwhile, or is a new version of a message, which it takes its flags from.
    if (file->original) return reply(std::optional(file->original->message));
    auto row = file->row;
    for (const auto& change : changes) row.flags = changed_by(row.flags, change);
    // RFC 9051 §2.3.2: \Recent is the server's. A new message that is deleted would be of use to nobody.
    row.flags.remove("\\Recent");
    row.flags.remove("\\Deleted");
    if (auto kept = around_.journal->update(row); !kept) return reply(fail(std::move(kept).error()));
    file->row = std::move(row);
    file->flags_given = true;
    reply(std::optional<MessageLocation>());
  });
}

}  // namespace imapfs::vfs
