// Extended attributes: all can be read, flags can be set.

#include <utility>

#include "imapfs/vfs/filesystem.hpp"
#include "vfs/operations/filesystem_views.hpp"
#include "vfs/operations/flag_words.hpp"

namespace imapfs::vfs {

namespace {

/// linux/limits.h XATTR_SIZE_MAX: a longer value is E2BIG for every reader.
constexpr std::size_t max_xattr_value = 65536;

/// Cut on a character boundary.
std::string at_most(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xc0U) == 0x80U) --limit;
  text.resize(limit);
  return text;
}

/// Whether an attribute of this name, which is not that of the flags, could be set or removed at all. `taken`: without
/// effect, because what was backed up from here is put back here. EOPNOTSUPP is what programs that copy attributes pass
/// over; EPERM is not.
Result<void> check_settable(const std::string& name, bool taken) {
  if (!name.starts_with("user.imap.")) return fail(EOPNOTSUPP, "{} cannot be kept on the server", name);
  if (!taken) return fail(EPERM, "{} is the server's", name);
  return {};
}

/// One after the other, because the flags of the second may depend on the first.
void set_flags(sync::Account& account, const MessageLocation& message, std::vector<FlagChange> changes,
               Reply<void> reply) {
  const auto change = std::move(changes.front());
  changes.erase(changes.begin());
  account.set_flags(message, change,
                    [&account, message, changes = std::move(changes), reply = std::move(reply)](Result<void> set) {
                      if (!set || changes.empty()) return reply(std::move(set));
                      set_flags(account, message, changes, reply);
                    });
}

}  // namespace

void Filesystem::getxattr(const Caller&, NodeId node, const std::string& name, Reply<std::string> reply) {
  // EOPNOTSUPP, not ENODATA: only then does `ls -l` ask once per listing instead of three times per file.
  if (!name.starts_with("user.")) return reply(fail(EOPNOTSUPP, "only attributes named user.* exist here"));
  auto file = target(node);
  if (!file) return reply(fail(std::move(file).error()));
  file->view->xattr(file->node, name, [reply = std::move(reply)](Result<std::string> value) {
    if (!value) return reply(fail(std::move(value).error()));
    reply(at_most(std::move(*value), max_xattr_value));
  });
}

void Filesystem::listxattr(const Caller&, NodeId node, Reply<std::string> reply) {
  auto file = target(node);
  if (!file) return reply(fail(std::move(file).error()));
  std::string names;
  for (const auto& name : file->view->xattr_names(file->node)) {
    names += name;
    names += '\0';
  }
  reply(std::move(names));
}

void Filesystem::setxattr(const Caller& caller, NodeId node, const std::string& name, const std::string& value,
                          Reply<void> reply) {
  if (auto writable = check_writable("set an extended attribute"); !writable) return reply(std::move(writable));
  auto file = target(node);
  if (!file) return reply(fail(std::move(file).error()));
  const auto& meaning = file->node.meaning;
  const bool taken = meaning.kind == NodeKind::mailbox || views_->staging->is_own_new_file(node);
  if (name != "user.imap.flags") return reply(check_settable(name, taken));
  if (meaning.kind == NodeKind::staged) return set_flags_of_staged(node, value, std::move(reply));
  if (meaning.kind != NodeKind::message) return reply(fail(EPERM, "only messages have flags"));
  auto changes = parse_flag_words(value);
  if (!changes) return reply(fail(std::move(changes).error()));

  // A new version takes over the flags that the message has when its upload begins.
  views_->staging->names().hold(
      node, [this, caller, node, changes = std::move(*changes), reply = std::move(reply)](const Staging::Hold& hold) {
        if (!caller.waits()) return reply(fail(given_up()));
        set_flags_of_message(node, changes, [reply, hold](Result<void> set) { reply(std::move(set)); });
      });
}

void Filesystem::set_flags_of_message(NodeId node, const std::vector<FlagChange>& changes, Reply<void> reply) {
  auto set = [this, changes, reply](const MessageLocation& message) {
    if (account_.rights(message.mailbox).read_only) {
      return reply(fail(EROFS, Scope::mailbox, Retry::never, "the mailbox is read-only"));
    }
    set_flags(account_, message, changes, reply);
  };
  const auto local = views_->entries.find(node);
  if (local && local->kind == LocalEntry::Kind::pending) {
    return account_.await_change(local->change, [set, reply](Result<sync::Arrival> arrival) {
      if (!arrival) return reply(fail(std::move(arrival).error().while_doing("wait for the message to arrive")));
      set(arrival->message);
    });
  }
  const auto meaning = meaning_of(node);
  if (!meaning || meaning->kind != NodeKind::message)
    return reply(fail(ESTALE, Scope::message, Retry::now, "no such message"));
  const auto table = account_.table(meaning->mailbox);
  set({meaning->mailbox, table ? table->uid_validity() : UidValidity{}, meaning->uid()});
}

/// It may have become a message meanwhile.
void Filesystem::set_flags_of_staged(NodeId node, const std::string& value, Reply<void> reply) {
  auto changes = parse_flag_words(value);
  if (!changes) return reply(fail(std::move(changes).error()));
  views_->staging->set_flags(
      node, *changes,
      [this, changes = *changes, reply = std::move(reply)](Result<std::optional<MessageLocation>> message) {
        if (!message) return reply(fail(std::move(message).error()));
        if (!*message) return reply({});
        set_flags(account_, **message, changes, reply);
      });
}

void Filesystem::removexattr(const Caller&, NodeId node, const std::string& name, Reply<void> reply) {
  if (auto writable = check_writable("remove an extended attribute"); !writable) return reply(std::move(writable));
  if (auto file = target(node); !file) return reply(fail(std::move(file).error()));
  if (name == "user.imap.flags") return reply(fail(EPERM, "set user.imap.flags to nothing to take all flags away"));
  reply(check_settable(name, false));
}

}  // namespace imapfs::vfs
