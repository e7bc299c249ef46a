#include "vfs/operations/xattr_operation.hpp"

#include <utility>

#include "imapfs/base/on_success.hpp"
#include "vfs/operations/flag_words.hpp"
#include "vfs/operations/writable.hpp"

namespace imapfs::vfs {

namespace {

constexpr std::string_view flags_attribute = "user.imap.flags";
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
  account.changes().set_flags(
      message, change, [&account, message, changes = std::move(changes), reply = std::move(reply)](Result<void> set) {
        if (!set || changes.empty()) return reply(std::move(set));
        set_flags(account, message, changes, reply);
      });
}

}  // namespace

void XattrOperation::get(NodeId node, const std::string& name, Reply<std::string> reply) {
  // EOPNOTSUPP, not ENODATA: only then does `ls -l` ask once per listing instead of three times per file.
  if (!name.starts_with("user.")) return reply(fail(EOPNOTSUPP, "only attributes named user.* exist here"));
  auto file = views_.find(node);
  if (!file) return reply(fail(std::move(file).error()));
  file->view->xattr(file->node, name, on_success(reply, [reply](std::string value) {
                      reply(at_most(std::move(value), max_xattr_value));
                    }));
}

void XattrOperation::list(NodeId node, Reply<std::string> reply) {
  auto file = views_.find(node);
  if (!file) return reply(fail(std::move(file).error()));
  std::string names;
  for (const auto& name : file->view->xattr_names(file->node)) {
    names += name;
    names += '\0';
  }
  reply(std::move(names));
}

void XattrOperation::set(const Caller& caller, NodeId node, const std::string& name, const std::string& value,
                         Reply<void> reply) {
  if (auto writable = check_writable(dependencies_.staging, "set an extended attribute"); !writable) {
    return reply(std::move(writable));
  }
  const auto meaning = dependencies_.nodes.resolve(node);
  if (!meaning) return reply(fail(ENOENT, "node {:#x} means nothing", node.value));
  const auto kind = meaning->kind;
  const bool taken = kind == NodeMeaning::Kind::mailbox || dependencies_.staging->is_own_new_file(node);
  if (name != flags_attribute) return reply(check_settable(name, taken));
  if (!is_mail(node)) return reply(fail(EPERM, "only messages have flags"));
  auto changes = parse_flag_words(value);
  if (!changes) return reply(fail(std::move(changes).error()));
  if (kind == NodeMeaning::Kind::staged) return set_flags_of_staged(node, *changes, std::move(reply));

  // A new version takes over the flags that the message has when its upload begins.
  dependencies_.staging->names().hold(
      node, [this, caller, node, changes = std::move(*changes), reply = std::move(reply)](const Staging::Hold& hold) {
        if (!caller.waits()) return reply(fail(given_up()));
        set_flags_of_message(node, changes, [reply, hold](Result<void> set) { reply(std::move(set)); });
      });
}

void XattrOperation::set_flags_of_message(NodeId node, const std::vector<FlagChange>& changes, Reply<void> reply) {
  const auto set = [this, changes, reply](const MessageLocation& message) {
    if (dependencies_.account.mailboxes().rights(message.mailbox).read_only) {
      return reply(fail(EROFS, Scope::mailbox, Retry::never, "the mailbox is read-only"));
    }
    set_flags(dependencies_.account, message, changes, reply);
  };
  const auto meaning = dependencies_.nodes.resolve(node);
  if (meaning && meaning->kind == NodeMeaning::Kind::pending) {
    const auto& pending = *meaning->entry;
    return dependencies_.nodes.await_arrival(node, pending.generation, pending.change, on_success(reply, set));
  }
  if (!meaning || meaning->kind != NodeMeaning::Kind::message) {
    return reply(fail(ESTALE, Scope::message, Retry::now, "no such message"));
  }
  set(meaning->message);
}

/// It may have become a message meanwhile.
void XattrOperation::set_flags_of_staged(NodeId node, const std::vector<FlagChange>& changes, Reply<void> reply) {
  dependencies_.staging->set_flags(
      node, changes, on_success(reply, [this, changes, reply](const std::optional<MessageLocation>& message) {
        if (!message) return reply({});
        set_flags(dependencies_.account, *message, changes, reply);
      }));
}

void XattrOperation::remove(NodeId node, const std::string& name, Reply<void> reply) {
  if (auto writable = check_writable(dependencies_.staging, "remove an extended attribute"); !writable) {
    return reply(std::move(writable));
  }
  if (auto file = views_.find(node); !file) return reply(fail(std::move(file).error()));
  if (name == flags_attribute) return reply(fail(EPERM, "set user.imap.flags to nothing to take all flags away"));
  reply(check_settable(name, false));
}

}  // namespace imapfs::vfs
