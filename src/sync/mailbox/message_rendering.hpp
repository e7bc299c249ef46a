#pragma once
// Makes a message with a name from a row of FETCH. Pure; any thread.

#include "imapfs/imap/session.hpp"
#include "imapfs/mime/header_decode.hpp"
#include "imapfs/mime/names.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::sync {

/// `fields`: from the row's header. The template makes the name.
[[nodiscard]] MessageMeta render_message(const imap::FetchRow& row, const mime::ListedFields& fields,
                                         const mime::NameTemplate& names);

}  // namespace imapfs::sync
