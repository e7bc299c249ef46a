#pragma once
// sync::Account without a server. What is read is FakeMailboxes; here are the changes: each is recorded as a line and,
// unless the test holds, fails or refuses it, carried out at once on the fake's own tables as the real account would
// show it.
//
// Thread-safe; completions run with no lock held.

#include <fcntl.h>

#include <functional>

#include "fake_mailboxes.hpp"

namespace imapfs::testing {

class FakeAccount : public FakeMailboxes,
                    public sync::MessageChanger,
                    public sync::MailboxChanger,
                    public sync::Account {
 public:
  using FakeMailboxes::FakeMailboxes;

  // -- what the test arranges --

  /// Every change so far, in order: "move INBOX/7 -> Sent/x replacing Sent/8", "remove INBOX/7", "expunge INBOX/7",
  /// "restore INBOX/7 as x", "name INBOX/7 x", "flags INBOX/7 +\Flagged", "append INBOX/x", "create Archive/New",
  /// "delete Sent", "rename Sent -> Archive/Out". A message that another change brings is "change 3".
  [[nodiscard]] std::vector<std::string> recorded() const { return locked_copy(recorded_); }
  [[nodiscard]] std::vector<sync::Upload> uploads() const { return locked_copy(uploads_); }
  /// From now on changes are accepted (uploads, flags, names and mailboxes: wait) and end in finish_changes() or
  /// refuse_changes().
  void hold_changes() {
    const std::lock_guard guard(mutex_);
    holding_changes_ = true;
  }
  void finish_changes() { end_changes(std::nullopt); }
  void refuse_changes(const Error& error) { end_changes(error); }
  [[nodiscard]] std::size_t held_changes() const {
    const std::lock_guard guard(mutex_);
    return held_changes_.size();
  }
  /// The next change is not accepted.
  void fail_next(Error error) {
    const std::lock_guard guard(mutex_);
    failure_ = std::move(error);
  }
  void set_rights(const Path& path, sync::MailboxRights rights) {
    const std::lock_guard guard(mutex_);
    rights_[id_locked(path)] = std::move(rights);
  }
  void set_append_limit(std::optional<std::uint64_t> limit) {
    const std::lock_guard guard(mutex_);
    append_limit_ = limit;
  }
  /// The octets of uploads are found there; files that were appended are forgotten there.
  void set_journal(std::shared_ptr<store::Journal> journal) {
    const std::lock_guard guard(mutex_);
    journal_ = std::move(journal);
  }
  /// Accepted by an earlier process: ends in end_pending().
  void add_pending(sync::PendingArrival pending) {
    const std::lock_guard guard(mutex_);
    pending_.push_back(std::move(pending));
  }
  void end_pending(sync::ChangeId change, const Result<sync::Arrival>& result) {
    {
      const std::lock_guard guard(mutex_);
      std::erase_if(pending_, [&](const auto& pending) { return pending.change == change; });
    }
    tell_waiting(change, result);
  }
  /// The message with this UID in `path` is the next to arrive there.
  void set_next_uid(const Path& path, std::uint32_t uid) {
    const std::lock_guard guard(mutex_);
    next_uids_[id_locked(path)] = uid;
  }
  /// Messages that arrive get no row in their table, as in a mailbox that was never listed.
  void arrive_unlisted() {
    const std::lock_guard guard(mutex_);
    unlisted_arrivals_ = true;
  }
  /// The server does not tell the UIDs of what arrives.
  void arrive_unknown() {
    const std::lock_guard guard(mutex_);
    unknown_arrivals_ = true;
  }
  [[nodiscard]] std::string body_text(const Path& path, std::uint32_t uid) const {
    const std::lock_guard guard(mutex_);
    const auto& bodies = mailboxes_.at(id_locked(path)).bodies;
    const auto found = bodies.find(uid);
    return found == bodies.end() ? std::string() : found->second.first;
  }

  void set_usage(Result<sync::Usage> usage) {
    const std::lock_guard guard(mutex_);
    usage_ = std::move(usage);
  }

  // -- Account --

  [[nodiscard]] const std::string& name() const override { return account_name(); }
  [[nodiscard]] sync::MailboxReader& mailboxes() override { return *this; }
  [[nodiscard]] const sync::MailboxReader& mailboxes() const override { return *this; }
  [[nodiscard]] sync::BodyReader& bodies() override { return *this; }
  [[nodiscard]] sync::MessageChanger& changes() override { return *this; }
  [[nodiscard]] sync::MailboxChanger& mailbox_changes() override { return *this; }
  void usage(Completion<sync::Usage> done) override {
    answer([this, done = std::move(done)] { done(locked_copy(usage_)); });
  }
  [[nodiscard]] nlohmann::json status() const override { return {{"online", true}}; }

  [[nodiscard]] sync::MailboxRights rights(MailboxId id) const override {
    const std::lock_guard guard(mutex_);
    const auto found = rights_.find(id);
    return found == rights_.end() ? sync::MailboxRights{} : found->second;
  }
  [[nodiscard]] std::optional<std::uint64_t> append_limit() const override { return locked_copy(append_limit_); }

  void upload(const sync::Upload& upload, Completion<sync::Arrival> done) override {
    {
      const std::lock_guard guard(mutex_);
      uploads_.push_back(upload);
    }
    perform(
        "append " + described(upload.target), [this, upload] { return appended(upload); }, std::move(done));
  }
  void copy(const sync::ChangeSource& source, const sync::ArrivalTarget& target, sync::ChangeReply reply) override {
    Change change{"copy " + described(source) + " -> " + described(target), source, target, {}, false, {}};
    change.carry_out = [this, target](const MessageLocation& from) { return brought(from, target); };
    accept(std::move(change), std::move(reply));
  }
  void move(const sync::ChangeSource& source, const sync::ArrivalTarget& target, sync::ChangeReply reply) override {
    Change change{"move " + described(source) + " -> " + described(target), source, target, {}, false, {}};
    change.hides_source = true;
    change.carry_out = [this, target](const MessageLocation& from) {
      auto arrival = brought(from, target);
      if (arrival) gone(from);
      return arrival;
    };
    accept(std::move(change), std::move(reply));
  }
  void remove(const sync::ChangeSource& source, sync::ChangeReply reply) override {
    Change change{"remove " + described(source), source, {}, {}, false, {}};
    change.hides_source = true;
    change.carry_out = [this](const MessageLocation& from) -> Result<sync::Arrival> {
      flag_deleted(from, true);
      return sync::Arrival{from, ""};
    };
    accept(std::move(change), std::move(reply));
  }
  void expunge(const sync::ChangeSource& source, sync::ChangeReply reply) override {
    Change change{"expunge " + described(source), source, {}, {}, false, {}};
    change.hides_source = true;
    change.carry_out = [this](const MessageLocation& from) -> Result<sync::Arrival> {
      gone(from);
      return sync::Arrival{from, ""};
    };
    accept(std::move(change), std::move(reply));
  }
  void restore(const sync::ChangeSource& source, const std::string& file_name, sync::ChangeReply reply) override {
    Change change{
        "restore " + described(source) + (file_name.empty() ? "" : " as " + file_name), source, {}, {}, false, {}};
    change.restored_as = file_name;
    change.carry_out = [file_name](const MessageLocation& from) -> Result<sync::Arrival> {
      return sync::Arrival{from, file_name};
    };
    accept(std::move(change), std::move(reply));
  }
  void set_flags(const MessageLocation& message, const FlagChange& change, Completion<void> done) override {
    static constexpr const char* signs[] = {"+", "-", ""};
    const auto text = "flags " + described(message) + " " + signs[static_cast<int>(change.kind)] +
                      change.flags.to_string();
    perform(
        text, [this, message, change] { return flagged(message, change); }, std::move(done));
  }
  void give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                 Completion<void> done) override {
    perform(
        "name " + described(message) + " " + name + replacing(replaces),
        [this, message, name, replaces]() -> Result<void> {
          if (replaces.uid.value != 0) flag_deleted(replaces, true);
          rename_row(message, name);
          return {};
        },
        std::move(done));
  }
  void create(MailboxId parent, const std::string& component, Completion<MailboxId> done) override {
    const auto path = below(parent, component);
    perform(
        "create " + path,
        [this, path]() -> Result<MailboxId> {
          auto paths = locked_copy(paths_);
          paths.push_back(path);
          set_mailboxes(paths);
          return id(path);
        },
        std::move(done));
  }
  void remove(MailboxId mailbox, Completion<void> done) override {
    const auto path = below(mailbox, "");
    perform(
        "delete " + path,
        [this, path]() -> Result<void> {
          auto paths = locked_copy(paths_);
          std::erase_if(paths, [&](const Path& one) { return one == path || one == path + "/"; });
          set_mailboxes(paths);
          return {};
        },
        std::move(done));
  }
  void rename(MailboxId mailbox, MailboxId new_parent, const std::string& new_component,
              Completion<void> done) override {
    const auto from = below(mailbox, "");
    const auto to = below(new_parent, new_component);
    perform(
        "rename " + from + " -> " + to,
        [this, from, to]() -> Result<void> {
          auto paths = locked_copy(paths_);
          std::erase(paths, to);  // empty, or vfs would not have asked
          for (auto& path : paths) {
            if (path == from || path.starts_with(from + "/")) path = to + path.substr(from.size());
          }
          set_mailboxes(paths);
          return {};
        },
        std::move(done));
  }
  void drain(MailboxId, Completion<void> done) override {
    {
      const std::lock_guard guard(mutex_);
      if (!held_changes_.empty()) {
        held_changes_.push_back([done = std::move(done)](const auto&) { done({}); });
        return;
      }
    }
    done({});
  }
  [[nodiscard]] std::vector<sync::PendingArrival> pending_arrivals() const override { return locked_copy(pending_); }
  void await_change(sync::ChangeId change, Completion<sync::Arrival> finished) override {
    {
      const std::lock_guard guard(mutex_);
      const bool open = open_changes_.contains(change) ||
                        std::any_of(pending_.begin(), pending_.end(),
                                    [&](const auto& one) { return one.change == change; });
      if (open) {
        awaiting_.emplace(change, std::move(finished));
        return;
      }
    }
    finished(fail(ENOENT, "the change has ended"));
  }

 private:
  using End = std::function<void(const std::optional<Error>&)>;
  struct Change {
    std::string text;
    sync::ChangeSource source;
    sync::ArrivalTarget target;
    std::function<Result<sync::Arrival>(const MessageLocation&)> carry_out;
    bool hides_source = false;
    std::optional<std::string> restored_as;
  };

  // -- a change's way --

  /// Records it; the Error if it is to fail.
  std::optional<Error> record(const std::string& text) {
    const std::lock_guard guard(mutex_);
    recorded_.push_back(text);
    return std::exchange(failure_, std::nullopt);
  }
  void hold_or_end(End end) {
    {
      const std::lock_guard guard(mutex_);
      if (holding_changes_) return held_changes_.push_back(std::move(end));
    }
    end(std::nullopt);
  }
  void end_changes(const std::optional<Error>& error) {
    std::vector<End> ended;
    {
      const std::lock_guard guard(mutex_);
      holding_changes_ = false;
      ended = std::exchange(held_changes_, {});
    }
    for (auto& end : ended) end(error);
  }
  /// One that its caller waits for.
  template <class T, class Work>
  void perform(const std::string& text, Work work, Completion<T> done) {
    if (auto error = record(text)) return done(fail(std::move(*error)));
    hold_or_end([work = std::move(work), done = std::move(done)](const std::optional<Error>& refused) {
      if (refused) return done(fail(*refused));
      done(work());
    });
  }
  /// One that is accepted first.
  void accept(Change change, sync::ChangeReply reply) {
    if (auto error = record(change.text)) return reply.accepted(fail(std::move(*error)));
    const auto id = begin(change);
    reply.accepted(id);
    hold_or_end([this, id, change, finished = std::move(reply.finished)](const std::optional<Error>& refused) {
      auto result = refused ? Result<sync::Arrival>(fail(*refused)) : change.carry_out(resolved(change.source));
      if (!result) roll_back(change);
      {
        const std::lock_guard guard(mutex_);
        open_changes_.erase(id);
        if (result) arrivals_[id] = *result;
      }
      if (finished) finished(result);
      tell_waiting(id, result);
    });
  }
  /// Accepted: its effect shows.
  sync::ChangeId begin(const Change& change) {
    sync::ChangeId id;
    {
      const std::lock_guard guard(mutex_);
      id = sync::ChangeId{++last_change_};
      open_changes_.insert({id, change.target});
    }
    if (change.hides_source && change.source.brought_by.value == 0) hide(change.source.message, true);
    hide(change.target.replaces, true);
    if (change.restored_as) {
      flag_deleted(change.source.message, false);
      if (!change.restored_as->empty()) rename_row(change.source.message, *change.restored_as);
    }
    return id;
  }
  void roll_back(const Change& change) {
    if (change.source.brought_by.value == 0) hide(change.source.message, false);
    hide(change.target.replaces, false);
    if (change.restored_as) flag_deleted(change.source.message, true);
  }
  void tell_waiting(sync::ChangeId change, const Result<sync::Arrival>& result) {
    std::vector<Completion<sync::Arrival>> waiting;
    {
      const std::lock_guard guard(mutex_);
      const auto [begin, end] = awaiting_.equal_range(change);
      for (auto one = begin; one != end; ++one) waiting.push_back(std::move(one->second));
      awaiting_.erase(begin, end);
    }
    for (auto& done : waiting) done(result);
  }
  [[nodiscard]] MessageLocation resolved(const sync::ChangeSource& source) const {
    if (source.brought_by.value == 0) return source.message;
    const std::lock_guard guard(mutex_);
    const auto found = arrivals_.find(source.brought_by);
    return found == arrivals_.end() ? MessageLocation{} : found->second.message;
  }

  // -- what changes do to the tables --

  sync::WritableMessageTable& table_of(const MessageLocation& message) { return *mailbox(message.mailbox).table; }
  void hide(const MessageLocation& message, bool hidden) {
    if (message.uid.value != 0) table_of(message).set_hidden(UidSet::single(message.uid), hidden);
  }
  void gone(const MessageLocation& message) {
    table_of(message).remove(UidSet::single(message.uid));
    const std::lock_guard guard(mutex_);
    auto& entry = mailboxes_[message.mailbox];
    entry.bodies.erase(message.uid.value);
    std::erase_if(entry.unlisted, [&](const auto& meta) { return meta.uid == message.uid; });
  }
  void flag_deleted(const MessageLocation& message, bool deleted) {
    auto& table = table_of(message);
    if (const auto meta = table.find(message.uid)) {
      auto flags = meta->flags;
      deleted ? flags.add(SystemFlag::deleted) : flags.remove("\\Deleted");
      table.set_flags(message.uid, flags, ModSeq{});
    }
    table.set_hidden(UidSet::single(message.uid), false);
    const std::lock_guard guard(mutex_);
    std::erase_if(mailboxes_[message.mailbox].unlisted,
                  [&](const auto& meta) { return deleted && meta.uid == message.uid; });
  }
  Result<void> flagged(const MessageLocation& message, const FlagChange& change) {
    auto& table = table_of(message);
    auto meta = known(message);
    if (!meta) return fail(ENOENT, "no such message");
    const auto names = change.flags.to_string();
    FlagSet flags = change.kind == FlagChange::Kind::replace ? FlagSet() : meta->flags;
    for (std::size_t start = 0; start < names.size();) {
      const auto end = std::min(names.find(' ', start), names.size());
      const auto name = names.substr(start, end - start);
      change.kind == FlagChange::Kind::remove ? flags.remove(name) : flags.add(name);
      start = end + 1;
    }
    table.set_flags(message.uid, flags, ModSeq{});
    const std::lock_guard guard(mutex_);
    for (auto& unlisted : mailboxes_[message.mailbox].unlisted) {
      if (unlisted.uid == message.uid) unlisted.flags = flags;
    }
    return {};
  }
  void rename_row(const MessageLocation& message, const std::string& name) {
    table_of(message).set_local_name(message.uid, name);
    const std::lock_guard guard(mutex_);
    for (auto& meta : mailboxes_[message.mailbox].unlisted) {
      if (meta.uid == message.uid) meta.file_name = name;
    }
  }
  [[nodiscard]] std::optional<MessageMeta> known(const MessageLocation& message) {
    if (auto meta = table_of(message).find(message.uid)) return meta;
    const std::lock_guard guard(mutex_);
    for (const auto& meta : mailboxes_[message.mailbox].unlisted) {
      if (meta.uid == message.uid) return meta;
    }
    return std::nullopt;
  }
  Result<sync::Arrival> brought(const MessageLocation& from, const sync::ArrivalTarget& target) {
    auto meta = known(from);
    if (!meta) return fail(ENOENT, "no such message");
    return arrive(std::move(*meta), bodies_of(from), target);
  }
  [[nodiscard]] std::optional<std::pair<std::string, bool>> bodies_of(const MessageLocation& message) const {
    const std::lock_guard guard(mutex_);
    const auto found = mailboxes_.find(message.mailbox);
    if (found == mailboxes_.end()) return std::nullopt;
    const auto body = found->second.bodies.find(message.uid.value);
    return body == found->second.bodies.end() ? std::nullopt : std::optional(body->second);
  }
  Result<sync::Arrival> arrive(MessageMeta meta, std::optional<std::pair<std::string, bool>> body,
                               const sync::ArrivalTarget& target) {
    const auto table = mailbox(target.mailbox).table;
    bool listed = true;
    bool told = true;
    {
      const std::lock_guard guard(mutex_);
      auto& next = next_uids_.try_emplace(target.mailbox, 101).first->second;
      meta.uid = Uid{next++};
      listed = !unlisted_arrivals_;
      told = !unknown_arrivals_;
      if (body) mailboxes_[target.mailbox].bodies[meta.uid.value] = std::move(*body);
    }
    meta.file_name = target.file_name.empty() ? message(meta.uid.value).file_name : target.file_name;
    if (listed) {
      table->upsert(meta, true);
      if (!target.file_name.empty()) table->set_local_name(meta.uid, target.file_name);
      wake(target.mailbox);
    } else {
      const std::lock_guard guard(mutex_);
      mailboxes_[target.mailbox].unlisted.push_back(meta);
    }
    if (target.replaces.uid.value != 0) flag_deleted(target.replaces, true);
    return sync::Arrival{{target.mailbox, table->uid_validity(), told ? meta.uid : Uid{0}}, meta.file_name};
  }
  Result<sync::Arrival> appended(const sync::Upload& upload) {
    const auto journal = locked_copy(journal_);
    std::optional<std::pair<std::string, bool>> body;
    MessageMeta meta;
    meta.size = upload.canonical_size;
    meta.size_is_exact = true;
    meta.flags = upload.flags;
    meta.internal_date = upload.internal_date.value_or(1700000000);
    if (journal) {
      body = {canonical(content_of(journal->staging_path(upload.staged))), true};
      if (auto forgotten = journal->unstage(upload.staged); !forgotten) return fail(forgotten.error());
    }
    return arrive(std::move(meta), std::move(body), upload.target);
  }
  /// With CRLF, as APPEND sends it.
  static std::string canonical(const std::string& text) {
    std::string lines;
    for (const char octet : text) {
      if (octet == '\n' && !lines.ends_with('\r')) lines += '\r';
      lines += octet;
    }
    return lines;
  }
  static std::string content_of(const std::string& path) {
    std::string text;
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return text;
    char buffer[4096];
    for (ssize_t count = 0; (count = ::read(file, buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(count));
    }
    ::close(file);
    return text;
  }

  // -- words for the record --

  [[nodiscard]] std::string below(MailboxId parent, const std::string& component) const {
    const auto tree = this->tree();
    const auto* node = tree->find(parent);
    const std::string path = node ? node->path : "?";
    return path.empty() || component.empty() ? path + component : path + "/" + component;
  }
  [[nodiscard]] std::string described(const MessageLocation& message) const {
    return below(message.mailbox, std::to_string(message.uid.value));
  }
  [[nodiscard]] std::string described(const sync::ChangeSource& source) const {
    return source.brought_by.value != 0 ? "change " + std::to_string(source.brought_by.value)
                                        : described(source.message);
  }
  [[nodiscard]] std::string described(const sync::ArrivalTarget& target) const {
    return below(target.mailbox, target.file_name) + replacing(target.replaces);
  }
  [[nodiscard]] std::string replacing(const MessageLocation& message) const {
    return message.uid.value == 0 ? "" : " replacing " + described(message);
  }

  std::vector<std::string> recorded_;
  std::vector<sync::Upload> uploads_;
  bool holding_changes_ = false;
  std::vector<End> held_changes_;
  std::optional<Error> failure_;
  std::uint64_t last_change_ = 0;
  std::map<sync::ChangeId, sync::ArrivalTarget> open_changes_;
  std::map<sync::ChangeId, sync::Arrival> arrivals_;
  std::multimap<sync::ChangeId, Completion<sync::Arrival>> awaiting_;
  std::vector<sync::PendingArrival> pending_;
  std::map<MailboxId, sync::MailboxRights> rights_;
  std::map<MailboxId, std::uint32_t> next_uids_;
  std::optional<std::uint64_t> append_limit_;
  std::shared_ptr<store::Journal> journal_;
  bool unlisted_arrivals_ = false;
  bool unknown_arrivals_ = false;
  Result<sync::Usage> usage_ = sync::Usage{};
};

}  // namespace imapfs::testing
