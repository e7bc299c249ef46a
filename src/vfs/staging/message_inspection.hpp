#pragma once
// What is known of a staged file before it is appended.

#include <cstdint>
#include <string>

#include "imapfs/base/result.hpp"
#include "vfs/staging/staged_content.hpp"

namespace imapfs::vfs {

struct Inspected {
  std::uint64_t canonical_size = 0;  ///< with CRLF line ends
  std::string message_id;            ///< as it stands in the mail; may be empty
};

/// Reads the whole file. EINVAL with the reason for what is no Internet message.
Result<Inspected> inspect(const StagedContent& content);

}  // namespace imapfs::vfs
