#include "store/journal/journal_rows.hpp"

#include "store/journal/journal_schema.hpp"

namespace imapfs::store {
namespace {

/// Binds parameters one after the other; texts must live until the statement has run.
class Binder {
 public:
  explicit Binder(SQLite::Statement& statement) : statement_(statement) {}

  Binder& number(std::int64_t value) { return statement_.bind(next_++, value), *this; }
  Binder& text(const std::string& value) { return statement_.bindNoCopy(next_++, value), *this; }
  /// An empty value leaves the parameter NULL.
  Binder& optional(const std::optional<UnixTime>& value) {
    if (value) statement_.bind(next_, *value);
    ++next_;
    return *this;
  }
  Binder& location(const JournalLocation& value) {
    return text(value.mailbox).number(value.uid_validity.value).number(value.uid.value);
  }

 private:
  SQLite::Statement& statement_;
  int next_ = 1;
};

/// Reads columns one after the other.
class Reader {
 public:
  explicit Reader(SQLite::Statement& statement) : statement_(statement) {}

  std::int64_t number() { return statement_.getColumn(next_++).getInt64(); }
  std::string text() { return statement_.getColumn(next_++).getString(); }
  std::uint32_t small() { return static_cast<std::uint32_t>(number()); }
  std::optional<UnixTime> optional() {
    if (statement_.isColumnNull(next_)) return ++next_, std::nullopt;
    return number();
  }
  JournalLocation location() {
    JournalLocation value;
    value.mailbox = text();
    value.uid_validity = UidValidity{small()};
    value.uid = Uid{small()};
    return value;
  }
  template <class Enumeration>
  Enumeration one_of(Enumeration first, Enumeration last) {
    const auto value = number();
    if (value < static_cast<int>(first) || value > static_cast<int>(last)) throw CorruptContent("impossible value");
    return static_cast<Enumeration>(value);
  }

 private:
  SQLite::Statement& statement_;
  int next_ = 0;
};

void bind_staged(SQLite::Statement& statement, const StagedFile& file, const std::string& flags) {
  Binder(statement)
      .number(as_signed(file.id.value))
      .number(static_cast<int>(file.state))
      .text(file.mailbox)
      .text(file.name)
      .text(flags)
      .optional(file.internal_date)
      .location(file.replaces)
      .text(file.reason)
      .number(file.changed_at);
}

}  // namespace

void insert_change(Database& database, const JournalChange& change) {
  const std::string flags = change.flags.flags.to_string();
  auto insert = database.statement(sql::insert_change);
  Binder(*insert)
      .number(as_signed(change.id.value))
      .number(static_cast<int>(change.kind))
      .location(change.source)
      .number(as_signed(change.follows.value))
      .text(change.destination)
      .text(change.file_name)
      .number(static_cast<int>(change.flags.kind))
      .text(flags)
      .optional(change.internal_date)
      .number(as_signed(change.size))
      .text(change.message_id)
      .number(as_signed(change.staged.value))
      .location(change.replaces)
      .text(change.removal)
      .number(change.sent ? 1 : 0)
      .number(change.destination_validity.value)
      .number(change.destination_uid_next.value)
      .text(change.digest);
  insert.run();
}

std::vector<JournalChange> read_changes(Database& database) {
  std::vector<JournalChange> changes;
  auto query = database.statement(sql::read_changes);
  while (query->executeStep()) {
    Reader reader(*query);
    JournalChange change;
    change.id = ChangeId{as_unsigned(reader.number())};
    change.kind = reader.one_of(JournalChange::Kind::flag, JournalChange::Kind::append);
    change.source = reader.location();
    change.follows = ChangeId{as_unsigned(reader.number())};
    change.destination = reader.text();
    change.file_name = reader.text();
    change.flags.kind = reader.one_of(FlagChange::Kind::add, FlagChange::Kind::replace);
    change.flags.flags = FlagSet::parse(reader.text());
    change.internal_date = reader.optional();
    change.size = as_unsigned(reader.number());
    change.message_id = reader.text();
    change.staged = StagedId{as_unsigned(reader.number())};
    change.replaces = reader.location();
    change.removal = reader.text();
    change.sent = reader.number() != 0;
    change.destination_validity = UidValidity{reader.small()};
    change.destination_uid_next = Uid{reader.small()};
    change.digest = reader.text();
    if (reader.number() == 0) throw CorruptContent("a change's row is damaged");
    changes.push_back(std::move(change));
  }
  return changes;
}

void insert_staged(Database& database, const StagedFile& file) {
  const std::string flags = file.flags.to_string();
  auto insert = database.statement(sql::insert_staged);
  bind_staged(*insert, file, flags);
  insert.run();
}

bool update_staged(Database& database, const StagedFile& file) {
  const std::string flags = file.flags.to_string();
  auto update = database.statement(sql::update_staged);
  bind_staged(*update, file, flags);
  return update.run() > 0;
}

std::vector<StagedFile> read_staged(Database& database) {
  std::vector<StagedFile> files;
  auto query = database.statement(sql::read_staged);
  while (query->executeStep()) {
    Reader reader(*query);
    StagedFile file;
    file.id = StagedId{as_unsigned(reader.number())};
    const auto state = reader.number();
    file.mailbox = reader.text();
    file.name = reader.text();
    file.flags = FlagSet::parse(reader.text());
    file.internal_date = reader.optional();
    file.replaces = reader.location();
    file.reason = reader.text();
    file.changed_at = reader.number();
    if (reader.number() == 0) throw CorruptContent("a staged file's row is damaged");
    if (state == staged_state_doomed) continue;
    if (state < static_cast<int>(StagedFile::State::open) || state > static_cast<int>(StagedFile::State::local))
      throw CorruptContent("impossible state");
    file.state = static_cast<StagedFile::State>(state);
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace imapfs::store
