#pragma once
// The list of mailboxes in the index, so that an account can be mounted without a connection.
//
// The index has rows for mailboxes only. Paths cannot be built offline without the namespaces, so these are stored as
// rows under names that no mailbox can have: U+0001 and the kind, then the prefix.

#include <optional>

#include "imapfs/store/metadata_store.hpp"
#include "sync/store_writer.hpp"
#include "sync/tree/listing.hpp"

namespace imapfs::sync {

/// Begins the name of a row that is no mailbox. Rows of LIST with such names are left out.
inline constexpr char namespace_mark = '\x01';

/// Nothing if no mailbox is stored. Blocks.
[[nodiscard]] std::optional<Listing> stored_listing(store::MetadataStore& metadata);
void store_listing(const Listing& listing, StoreWriter& store);

}  // namespace imapfs::sync
