#include "store/journal/given_names.hpp"

#include <algorithm>

#include "store/journal/journal_schema.hpp"
#include "store/journal/journal_snapshot.hpp"

namespace imapfs::store {

void GivenNames::write(const JournalLocation& message, const std::string& name) {
  auto insert = database_.statement(sql::set_local_name);
  insert->bindNoCopy(1, message.mailbox);
  insert->bind(2, message.uid_validity.value);
  insert->bind(3, message.uid.value);
  insert->bindNoCopy(4, name);
  insert.run();
}

Result<void> GivenNames::set(const JournalLocation& message, const std::string& name) {
  return database_.transaction("keep a name", [&] { write(message, name); });
}

Result<void> GivenNames::forget(const std::string& mailbox, UidValidity validity, const UidSet& uids) {
  return database_.transaction("forget names", [&] {
    for (const auto& sql : sql::forget_local_names) {
      auto forget = database_.statement(sql);
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

Result<std::vector<LocalName>> GivenNames::of(const std::string& mailbox, UidValidity validity) {
  std::vector<LocalName> names;
  IMAPFS_TRY(database_.attempt("read names", [&] {
    auto query = database_.statement(sql::read_local_names);
    query->bindNoCopy(1, mailbox);
    query->bind(2, validity.value);
    while (query->executeStep()) names.push_back({Uid{query->getColumn(0).getUInt()}, query->getColumn(1).getString()});
  }));
  return names;
}

Result<void> GivenNames::rename_mailbox(const std::string& from, const std::string& to, char delimiter) {
  const auto below = delimiter == 0 ? std::string() : from + delimiter;
  return database_.transaction("rename a mailbox", [&] {
    // Compared here, byte by byte: LIKE would treat characters of names as wildcards.
    std::vector<std::string> names;
    {
      auto query = database_.statement(sql::mailboxes);
      while (query->executeStep()) names.push_back(query->getColumn(0).getString());
    }
    std::erase_if(names,
                  [&](const std::string& name) { return name != from && (below.empty() || !name.starts_with(below)); });
    // If "A" becomes "A/A", the old "A/A" must be renamed first; the other way round, last.
    std::sort(names.begin(), names.end(), [&](const std::string& left, const std::string& right) {
      return to.size() > from.size() ? left.size() > right.size() : left.size() < right.size();
    });
    for (const auto& name : names) {
      const auto renamed = to + name.substr(from.size());
      for (const auto& sql : sql::rename_mailbox) {
        auto rename = database_.statement(sql);
        rename->bindNoCopy(1, name);
        rename->bindNoCopy(2, renamed);
        rename.run();
      }
    }
  });
}

Result<void> GivenNames::forget_mailbox(const std::string& mailbox) {
  return database_.transaction("forget a mailbox", [&] {
    for (const auto& sql : sql::forget_names_of_mailbox) {
      auto forget = database_.statement(sql);
      forget->bindNoCopy(1, mailbox);
      forget.run();
    }
  });
}

Result<void> GivenNames::borrow(const std::string& original, const std::string& directory) {
  const auto snapshot = IMAPFS_TRY(JournalSnapshot::take(original + '/' + journal_file_name, directory));
  return database_.transaction("borrow names", [&] {
    SQLite::Statement query(snapshot->rows(), std::string(sql::all_local_names));
    auto insert = database_.statement(sql::borrow_name);
    while (query.executeStep()) {
      const std::string mailbox = query.getColumn(0).getString();
      const std::string name = query.getColumn(3).getString();
      insert->bindNoCopy(1, mailbox);
      insert->bind(2, query.getColumn(1).getInt64());
      insert->bind(3, query.getColumn(2).getInt64());
      insert->bindNoCopy(4, name);
      insert->bind(5, query.getColumn(4).getInt64());
      insert.run();
    }
  });
}

}  // namespace imapfs::store
