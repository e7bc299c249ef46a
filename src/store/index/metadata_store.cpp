#include "imapfs/store/metadata_store.hpp"

#include <mutex>
#include <unordered_map>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "store/database.hpp"
#include "store/index/metadata_schema.hpp"

namespace imapfs::store {
namespace {

constexpr std::string_view file_name = "index.sqlite";
/// Rows per step of for_each_message; bounds a listing's memory and the time for which a writer waits.
constexpr int rows_per_page = 1000;
/// The most distinct flag sets to remember while reading; a mailbox rarely has more.
constexpr std::size_t flag_sets_remembered = 256;

void bind_text(SQLite::Statement& statement, int index, const std::string& text) { statement.bindNoCopy(index, text); }

Uid uid_column(SQLite::Statement& statement, int index) { return Uid{statement.getColumn(index).getUInt()}; }

/// Parses flags, once per distinct text.
class FlagReader {
 public:
  const FlagSet& read(const std::string& text) {
    if (known_.size() > flag_sets_remembered) known_.clear();
    auto [found, added] = known_.try_emplace(text);
    if (added) found->second = FlagSet::parse(text);
    return found->second;
  }

 private:
  std::unordered_map<std::string, FlagSet> known_;
};

}  // namespace

class MetadataStore::Implementation {
 public:
  Implementation(std::unique_ptr<Database> database, std::string error)
      : database_(std::move(database)), last_error_(std::move(error)) {}

  bool disabled() const {
    std::lock_guard guard(mutex_);
    return database_ == nullptr;
  }
  std::string last_error() const {
    std::lock_guard guard(mutex_);
    return last_error_;
  }

  /// Runs `work` with the lock and the database; a failure turns the store off. False if it did not run to its end.
  bool with_database(const char* activity, const std::function<void(Database&)>& work) {
    std::lock_guard guard(mutex_);
    if (!database_) return false;
    auto done = Database::attempt([&] { work(*database_); });
    if (!done) turn_off(std::move(done).error().while_doing(activity));
    return database_ != nullptr;
  }

  // -- called with the lock, from with_database --

  std::optional<std::int64_t> find_mailbox(Database& database, const std::string& name) {
    if (const auto known = ids_.find(name); known != ids_.end()) return known->second;
    auto query = database.statement(sql::find_mailbox);
    bind_text(*query, 1, name);
    if (!query->executeStep()) return std::nullopt;
    const std::int64_t id = query->getColumn(0).getInt64();
    ids_.emplace(name, id);
    return id;
  }

  std::int64_t mailbox_id(Database& database, const std::string& name) {
    if (const auto id = find_mailbox(database, name)) return *id;
    auto insert = database.statement(sql::insert_mailbox);
    bind_text(*insert, 1, name);
    insert.run();
    auto query = database.statement(sql::last_row);
    query->executeStep();
    const std::int64_t id = query->getColumn(0).getInt64();
    ids_.emplace(name, id);
    return id;
  }

  void forget_ids() { ids_.clear(); }

 private:
  void turn_off(Error error) {
    ++telemetry::counters().store_errors;
    last_error_ = error.what;
    const std::string path = database_->path();
    if (error.errnum == EUCLEAN) Database::mark_corrupt(path);
    database_.reset();
    ids_.clear();
    telemetry::warning("store: {} is not used any more until the next mount: {}", telemetry::printable(path),
                       last_error_);
  }

  mutable std::mutex mutex_;
  std::unique_ptr<Database> database_;
  std::string last_error_;
  std::unordered_map<std::string, std::int64_t> ids_;
};

MetadataStore::MetadataStore(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}
MetadataStore::~MetadataStore() = default;

std::unique_ptr<MetadataStore> MetadataStore::open(const std::string& directory) {
  const std::string path = fmt::format("{}/{}", directory, file_name);
  auto database = Database::open(path, metadata_schema());
  if (database) {
    return std::unique_ptr<MetadataStore>(
        new MetadataStore(std::make_unique<Implementation>(std::move(*database), "")));
  }
  ++telemetry::counters().store_errors;
  telemetry::warning("store: going on without {}: {}", telemetry::printable(path), database.error().what);
  return std::unique_ptr<MetadataStore>(
      new MetadataStore(std::make_unique<Implementation>(nullptr, std::move(database).error().what)));
}

std::unique_ptr<MetadataStore> MetadataStore::none() {
  return std::unique_ptr<MetadataStore>(
      new MetadataStore(std::make_unique<Implementation>(nullptr, "no cache directory")));
}

bool MetadataStore::disabled() const { return implementation_->disabled(); }
std::string MetadataStore::last_error() const { return implementation_->last_error(); }

std::vector<StoredMailbox> MetadataStore::mailboxes() {
  std::vector<StoredMailbox> listed;
  const bool whole = implementation_->with_database("read the mailbox list", [&](Database& database) {
    auto query = database.statement(sql::read_mailboxes);
    while (query->executeStep()) {
      StoredMailbox mailbox;
      mailbox.name = query->getColumn(0).getString();
      mailbox.wire_name = query->getColumn(1).getString();
      mailbox.delimiter = static_cast<char>(query->getColumn(2).getInt());
      mailbox.selectable = query->getColumn(3).getInt() != 0;
      const int use = query->getColumn(4).getInt();
      if (use < 0 || use > static_cast<int>(SpecialUse::important)) throw CorruptContent("impossible special use");
      mailbox.special_use = static_cast<SpecialUse>(use);
      listed.push_back(std::move(mailbox));
    }
  });
  if (!whole) listed.clear();
  return listed;
}

void MetadataStore::replace_mailboxes(const std::vector<StoredMailbox>& mailboxes) {
  implementation_->with_database("write the mailbox list", [&](Database& database) {
    // drop_unlisted also removes mailboxes whose ids are remembered.
    implementation_->forget_ids();
    database.in_transaction([&] {
      database.statement(sql::forget_positions).run();
      auto insert = database.statement(sql::list_mailbox);
      std::int64_t position = 0;
      for (const auto& mailbox : mailboxes) {
        bind_text(*insert, 1, mailbox.name);
        insert->bind(2, position++);
        bind_text(*insert, 3, mailbox.wire_name);
        insert->bind(4, static_cast<int>(static_cast<unsigned char>(mailbox.delimiter)));
        insert->bind(5, mailbox.selectable ? 1 : 0);
        insert->bind(6, static_cast<int>(mailbox.special_use));
        insert.run();
      }
      database.statement(sql::drop_unlisted).run();
    });
  });
}

std::optional<MailboxState> MetadataStore::state(const std::string& mailbox) {
  std::optional<MailboxState> found;
  const bool whole = implementation_->with_database("read a mailbox's state", [&](Database& database) {
    auto query = database.statement(sql::read_state);
    bind_text(*query, 1, mailbox);
    if (!query->executeStep()) return;
    if (query->getColumn(7).getInt() == 0) throw CorruptContent("a mailbox's state is damaged");
    MailboxState state;
    state.uid_validity = UidValidity{query->getColumn(0).getUInt()};
    state.uid_next = uid_column(*query, 1);
    state.highest_modseq = ModSeq{as_unsigned(query->getColumn(2).getInt64())};
    state.complete = query->getColumn(3).getInt() != 0;
    state.name_template = query->getColumn(4).getString();
    state.changed_at = query->getColumn(5).getInt64();
    state.changed_at_nanoseconds = query->getColumn(6).getUInt();
    found = std::move(state);
  });
  if (!whole) return std::nullopt;
  return found;
}

bool MetadataStore::for_each_message(const std::string& mailbox, const std::function<void(const MessageMeta&)>& row) {
  std::vector<MessageMeta> page;
  FlagReader flags;
  Uid last{0};
  do {
    page.clear();
    const bool whole = implementation_->with_database("read messages", [&](Database& database) {
      const auto id = implementation_->find_mailbox(database, mailbox);
      if (!id) return;
      auto query = database.statement(sql::read_page);
      query->bind(1, *id);
      query->bind(2, last.value);
      query->bind(3, rows_per_page);
      while (query->executeStep()) {
        if (query->getColumn(7).getInt() == 0) throw CorruptContent("a message's row is damaged");
        MessageMeta meta;
        meta.uid = uid_column(*query, 0);
        meta.internal_date = query->getColumn(1).getInt64();
        meta.size = as_unsigned(query->getColumn(2).getInt64());
        meta.size_is_exact = query->getColumn(3).getInt() != 0;
        meta.modseq = ModSeq{as_unsigned(query->getColumn(4).getInt64())};
        meta.flags = flags.read(query->getColumn(5).getString());
        meta.file_name = query->getColumn(6).getString();
        page.push_back(std::move(meta));
      }
    });
    if (!whole) return false;
    for (const auto& meta : page) row(meta);
    if (!page.empty()) last = page.back().uid;
  } while (page.size() == static_cast<std::size_t>(rows_per_page));
  return true;
}

std::optional<MessageHeaders> MetadataStore::headers(const std::string& mailbox, Uid uid) {
  std::optional<MessageHeaders> found;
  const bool whole = implementation_->with_database("read header fields", [&](Database& database) {
    const auto id = implementation_->find_mailbox(database, mailbox);
    if (!id) return;
    auto query = database.statement(sql::read_headers);
    query->bind(1, *id);
    query->bind(2, uid.value);
    if (!query->executeStep()) return;
    if (query->getColumn(4).getInt() == 0) throw CorruptContent("a message's row is damaged");
    found = MessageHeaders{query->getColumn(0).getString(), query->getColumn(1).getString(),
                           query->getColumn(2).getString(), query->getColumn(3).getString()};
  });
  if (!whole) return std::nullopt;
  return found;
}

namespace {

void bind_message(SQLite::Statement& statement, std::int64_t mailbox, const StoredMessage& message,
                  const std::string& flags) {
  statement.bind(1, mailbox);
  statement.bind(2, message.meta.uid.value);
  statement.bind(3, message.meta.internal_date);
  statement.bind(4, as_signed(message.meta.size));
  statement.bind(5, message.meta.size_is_exact ? 1 : 0);
  statement.bind(6, as_signed(message.meta.modseq.value));
  bind_text(statement, 7, flags);
  bind_text(statement, 8, message.meta.file_name);
  bind_text(statement, 9, message.headers.from);
  bind_text(statement, 10, message.headers.subject);
  bind_text(statement, 11, message.headers.date);
  bind_text(statement, 12, message.headers.message_id);
}

/// Returns the number of new rows.
std::int64_t write_messages(Database& database, std::int64_t mailbox, const StoredRows& rows) {
  std::int64_t added = 0;
  auto insert = database.statement(sql::insert_message);
  auto replace = database.statement(sql::replace_message);
  rows.visit([&](const StoredMessage& message) {
    const std::string flags = message.meta.flags.to_string();
    bind_message(*insert, mailbox, message, flags);
    if (insert.run() > 0) {
      ++added;
      return;
    }
    bind_message(*replace, mailbox, message, flags);
    replace.run();
  });
  return added;
}

void write_state(Database& database, std::int64_t mailbox, const MailboxState& state) {
  auto statement = database.statement(sql::write_state);
  statement->bind(1, mailbox);
  statement->bind(2, state.uid_validity.value);
  statement->bind(3, state.uid_next.value);
  statement->bind(4, as_signed(state.highest_modseq.value));
  statement->bind(5, state.complete ? 1 : 0);
  bind_text(*statement, 6, state.name_template);
  statement->bind(7, state.changed_at);
  statement->bind(8, state.changed_at_nanoseconds);
  statement.run();
}

/// Removals come first, so that a UID in both lists is present afterwards; flags and sizes come last, so that they
/// apply to new rows too.
void write_batch(Database& database, std::int64_t mailbox, const MetadataStore::Batch& batch) {
  if (batch.forget_all) {
    for (const auto sql : {sql::delete_all, sql::clear_state}) {
      auto statement = database.statement(sql);
      statement->bind(1, mailbox);
      statement.run();
    }
  }
  std::int64_t added = 0;
  for (const auto& range : batch.removals.ranges()) {
    auto statement = database.statement(sql::delete_range);
    statement->bind(1, mailbox);
    statement->bind(2, range.first);
    statement->bind(3, range.last);
    added -= statement.run();
  }
  if (!batch.upserts.empty()) added += write_messages(database, mailbox, batch.upserts);
  for (const auto& change : batch.flag_changes) {
    const std::string flags = change.flags.to_string();
    auto statement = database.statement(sql::change_flags);
    statement->bind(1, mailbox);
    statement->bind(2, change.uid.value);
    bind_text(*statement, 3, flags);
    statement->bind(4, as_signed(change.modseq.value));
    statement.run();
  }
  for (const auto& exact : batch.exact_sizes) {
    auto statement = database.statement(sql::set_exact_size);
    statement->bind(1, mailbox);
    statement->bind(2, exact.uid.value);
    statement->bind(3, as_signed(exact.size));
    statement.run();
  }
  if (added != 0) {
    auto statement = database.statement(sql::count_rows);
    statement->bind(1, mailbox);
    statement->bind(2, added);
    statement.run();
  }
  if (batch.state) write_state(database, mailbox, *batch.state);
}

}  // namespace

void MetadataStore::apply(const Batch& batch) {
  implementation_->with_database("write messages", [&](Database& database) {
    database.in_transaction(
        [&] { write_batch(database, implementation_->mailbox_id(database, batch.mailbox), batch); });
  });
}

void MetadataStore::forget_mailbox(const std::string& mailbox) {
  implementation_->with_database("forget a mailbox", [&](Database& database) {
    const auto id = implementation_->find_mailbox(database, mailbox);
    if (!id) return;
    implementation_->forget_ids();
    database.in_transaction([&] {
      for (const auto sql : {sql::delete_all, sql::delete_mailbox}) {
        auto statement = database.statement(sql);
        statement->bind(1, *id);
        statement.run();
      }
    });
  });
}

MetadataStore::Usage MetadataStore::usage() {
  Usage usage;
  implementation_->with_database("count messages", [&](Database& database) {
    usage.bytes = database.bytes_on_disk();
    auto query = database.statement(sql::total_messages);
    query->executeStep();
    usage.messages = as_unsigned(query->getColumn(0).getInt64());
  });
  return usage;
}

}  // namespace imapfs::store
