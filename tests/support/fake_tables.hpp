#pragma once
// The messages of a fake account, by mailbox: tables of rows, messages without a row, and bodies. What is done to a
// message is done to all of these. A mailbox is there as soon as it is asked for. Thread-safe.

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"
#include "sync/mailbox/writable_message_table.hpp"

namespace imapfs::testing {

inline mime::NameTemplate default_names() { return *mime::NameTemplate::parse(mime::NameTemplate::default_text); }

/// A message as the server has it.
inline MessageMeta fake_message(std::uint32_t uid, const std::string& subject = "Hello") {
  MessageMeta meta;
  meta.uid = Uid{uid};
  meta.internal_date = 1700000000 + uid;
  meta.size = 1000 + uid;
  meta.file_name = default_names().render({meta.uid, meta.internal_date, "anna@example.org", "", subject, ""});
  return meta;
}

struct FakeText {
  std::string text;
  bool whole = true;  ///< every byte is at hand when it is opened
};

class FakeTables {
 public:
  static constexpr std::uint32_t default_validity = 77;

  // -- rows --
  [[nodiscard]] std::shared_ptr<sync::WritableMessageTable> table(MailboxId mailbox) {
    const std::lock_guard guard(mutex_);
    return locked(mailbox).table;
  }
  /// With or without a row.
  [[nodiscard]] std::optional<MessageMeta> find(const MessageLocation& message) {
    if (auto meta = table(message.mailbox)->find(message.uid)) return meta;
    auto unlisted = find_unlisted(message.mailbox, [&](const auto& meta) { return meta.uid == message.uid; });
    return unlisted ? std::optional(std::move(*unlisted)) : std::nullopt;
  }
  void hide(const MessageLocation& message, bool hidden) {
    if (message.uid.value != 0) table(message.mailbox)->set_hidden(UidSet::single(message.uid), hidden);
  }
  void remove(const MessageLocation& message) {
    table(message.mailbox)->remove(UidSet::single(message.uid));
    remove_body(message.mailbox, message.uid);
    remove_unlisted(message);
  }
  /// It shows its flag: it is not hidden any more.
  void flag_deleted(const MessageLocation& message, bool deleted) {
    const auto rows = table(message.mailbox);
    if (const auto meta = rows->find(message.uid)) {
      auto flags = meta->flags;
      deleted ? flags.add(SystemFlag::deleted) : flags.remove("\\Deleted");
      rows->set_flags(message.uid, flags, ModSeq{});
    }
    rows->set_hidden(UidSet::single(message.uid), false);
    if (deleted) remove_unlisted(message);
  }
  Result<void> change_flags(const MessageLocation& message, const FlagChange& change) {
    const auto meta = find(message);
    if (!meta) return fail(ENOENT, "no such message");
    const auto flags = changed_flags(meta->flags, change);
    table(message.mailbox)->set_flags(message.uid, flags, ModSeq{});
    const std::lock_guard guard(mutex_);
    for (auto& unlisted : locked(message.mailbox).unlisted) {
      if (unlisted.uid == message.uid) unlisted.flags = flags;
    }
    return {};
  }
  void rename(const MessageLocation& message, const std::string& name) {
    table(message.mailbox)->set_local_name(message.uid, name);
    const std::lock_guard guard(mutex_);
    for (auto& unlisted : locked(message.mailbox).unlisted) {
      if (unlisted.uid == message.uid) unlisted.file_name = name;
    }
  }

  // -- messages without a row --
  void add_unlisted(MailboxId mailbox, MessageMeta meta) {
    const std::lock_guard guard(mutex_);
    locked(mailbox).unlisted.push_back(std::move(meta));
  }
  /// The last that matches.
  template <class Predicate>
  [[nodiscard]] Result<MessageMeta> find_unlisted(MailboxId mailbox, Predicate matches) {
    const std::lock_guard guard(mutex_);
    const auto& unlisted = locked(mailbox).unlisted;
    const auto found = std::find_if(unlisted.rbegin(), unlisted.rend(), matches);
    if (found == unlisted.rend()) return fail(ENOENT, Scope::message, Retry::never, "not on the server");
    return *found;
  }

  // -- bodies --
  void set_body(MailboxId mailbox, Uid uid, FakeText body) {
    const std::lock_guard guard(mutex_);
    locked(mailbox).bodies[uid] = std::move(body);
  }
  void remove_body(MailboxId mailbox, Uid uid) {
    const std::lock_guard guard(mutex_);
    locked(mailbox).bodies.erase(uid);
  }
  [[nodiscard]] std::optional<FakeText> body(MailboxId mailbox, Uid uid) {
    const std::lock_guard guard(mutex_);
    const auto& bodies = locked(mailbox).bodies;
    const auto found = bodies.find(uid);
    return found == bodies.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  struct Mailbox {
    Mailbox() { table->reset(UidValidity{default_validity}); }
    const std::shared_ptr<sync::WritableMessageTable> table = std::make_shared<sync::WritableMessageTable>(
        default_names());
    std::vector<MessageMeta> unlisted;
    std::map<Uid, FakeText> bodies;
  };

  static FlagSet changed_flags(const FlagSet& before, const FlagChange& change) {
    const auto names = change.flags.to_string();
    FlagSet flags = change.kind == FlagChange::Kind::replace ? FlagSet() : before;
    for (std::size_t start = 0; start < names.size();) {
      const auto end = std::min(names.find(' ', start), names.size());
      const auto name = names.substr(start, end - start);
      change.kind == FlagChange::Kind::remove ? flags.remove(name) : flags.add(name);
      start = end + 1;
    }
    return flags;
  }
  void remove_unlisted(const MessageLocation& message) {
    const std::lock_guard guard(mutex_);
    std::erase_if(locked(message.mailbox).unlisted, [&](const auto& meta) { return meta.uid == message.uid; });
  }
  /// With the lock held.
  Mailbox& locked(MailboxId mailbox) { return mailboxes_[mailbox]; }

  std::mutex mutex_;
  std::map<MailboxId, Mailbox> mailboxes_;
};

}  // namespace imapfs::testing
