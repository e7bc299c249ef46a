#pragma once
// Rows of the journal as values and back. Throws as Database does: CorruptContent for a row that is not what was
// written.

#include <vector>

#include "imapfs/store/journal.hpp"
#include "store/database.hpp"

namespace imapfs::store {

/// With the id it has.
void insert_change(Database& database, const JournalChange& change);
std::vector<JournalChange> read_changes(Database& database);

/// With the id it has.
void insert_staged(Database& database, const StagedFile& file);
/// False if there is no such row.
bool update_staged(Database& database, const StagedFile& file);
/// Without those whose contents are about to be removed.
std::vector<StagedFile> read_staged(Database& database);

}  // namespace imapfs::store
