// The journal's names: those that users gave to messages, and those of mailboxes in all of its tables.
#include <algorithm>

#include "store/journal/journal_implementation.hpp"
#include "store/journal/journal_schema.hpp"

namespace imapfs::store {

void SqliteJournal::write_local_name(const JournalLocation& message, const std::string& name) {
  auto insert = database_->statement(sql::set_local_name);
  insert->bindNoCopy(1, message.mailbox);
  insert->bind(2, message.uid_validity.value);
  insert->bind(3, message.uid.value);
  insert->bindNoCopy(4, name);
  insert.run();
}

Result<void> SqliteJournal::set_local_name(const JournalLocation& message, const std::string& name) {
  const std::lock_guard guard(mutex_);
  return transaction("keep a name", [&] { write_local_name(message, name); });
}

Result<void> SqliteJournal::forget_local_names(const std::string& mailbox, UidValidity validity, const UidSet& uids) {
  const std::lock_guard guard(mutex_);
  return transaction("forget names", [&] {
    for (const auto& sql : sql::forget_local_names) {
      auto forget = database_->statement(sql);
      for (const auto& range : uids.ranges()) {
        forget->bindNoCopy(1, mailbox);
        forget->bind(2, validity.value);
        forget->bind(3, range.first);
        forget->bind(4, range.last);
        forget.run();
      }
    }
  });
}

Result<std::vector<LocalName>> SqliteJournal::local_names(const std::string& mailbox, UidValidity validity) {
  const std::lock_guard guard(mutex_);
  std::vector<LocalName> names;
  IMAPFS_TRY(attempt("read names", [&] {
    auto query = database_->statement(sql::read_local_names);
    query->bindNoCopy(1, mailbox);
    query->bind(2, validity.value);
    while (query->executeStep()) names.push_back({Uid{query->getColumn(0).getUInt()}, query->getColumn(1).getString()});
  }));
  return names;
}

Result<void> SqliteJournal::rename_mailbox(const std::string& from, const std::string& to, char delimiter) {
  const std::lock_guard guard(mutex_);
  const auto below = delimiter == 0 ? std::string() : from + delimiter;
  // The locations in it may have the old name.
  ended_.clear();
  return transaction("rename a mailbox", [&] {
    // Compared here, octet by octet: LIKE would have to be protected from the wildcards in names.
    std::vector<std::string> names;
    {
      auto query = database_->statement(sql::mailboxes);
      while (query->executeStep()) names.push_back(query->getColumn(0).getString());
    }
    std::erase_if(names,
                  [&](const std::string& name) { return name != from && (below.empty() || !name.starts_with(below)); });
    // Where "A" becomes "A/A", "A/A" must have made room before, and the other way round.
    std::sort(names.begin(), names.end(), [&](const std::string& left, const std::string& right) {
      return to.size() > from.size() ? left.size() > right.size() : left.size() < right.size();
    });
    for (const auto& name : names) {
      const auto renamed = to + name.substr(from.size());
      for (const auto& sql : sql::rename_mailbox) {
        auto rename = database_->statement(sql);
        rename->bindNoCopy(1, name);
        rename->bindNoCopy(2, renamed);
        rename.run();
      }
    }
  });
}

Result<void> SqliteJournal::forget_mailbox(const std::string& mailbox) {
  const std::lock_guard guard(mutex_);
  return transaction("forget a mailbox", [&] {
    for (const auto& sql : sql::forget_names_of_mailbox) {
      auto forget = database_->statement(sql);
      forget->bindNoCopy(1, mailbox);
      forget.run();
    }
  });
}

}  // namespace imapfs::store
