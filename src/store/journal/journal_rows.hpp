#pragma once
// Converts rows of the journal to values and back. Throws as Database does, and CorruptContent for a row that is not
// what was written.

#include <vector>

#include "imapfs/store/journal.hpp"
#include "store/database.hpp"

namespace imapfs::store {

/// Inserts the change with its own id.
void insert_change(Database& database, const JournalChange& change);
std::vector<JournalChange> read_changes(Database& database);

/// Inserts the file with its own id.
void insert_staged(Database& database, const StagedFile& file);
/// False if there is no such row.
bool update_staged(Database& database, const StagedFile& file);
/// Leaves out files whose contents are about to be removed.
std::vector<StagedFile> read_staged(Database& database);

}  // namespace imapfs::store
