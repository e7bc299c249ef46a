#pragma once
// The value of user.imap.flags as a user writes it: "+\Flagged -\Seen", or a full set "\Seen $Forwarded".

#include <string_view>
#include <vector>

#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::vfs {

/// What is to be sent, in order: one replacement, or what is added and what is removed. Words are separated by white
/// space; nothing at all replaces by nothing. EINVAL for what no flag can be, for both forms at once and for a flag
/// that is added and removed; EPERM for \Recent, which is the server's.
Result<std::vector<FlagChange>> parse_flag_words(std::string_view text);

}  // namespace imapfs::vfs
