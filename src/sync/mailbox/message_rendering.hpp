#pragma once
// A row of FETCH as a message with a name. Pure; any thread.

#include "imapfs/imap/session.hpp"
#include "imapfs/mime/header_decode.hpp"
#include "imapfs/mime/names.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::sync {

/// `fields`: of the row's header. The name is the template's.
[[nodiscard]] MessageMeta render_message(const imap::FetchRow& row, const mime::ListedFields& fields,
                                         const mime::NameTemplate& names);

}  // namespace imapfs::sync
