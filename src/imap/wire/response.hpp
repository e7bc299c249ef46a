#pragma once
// The kind of a response, and the handler that may take it.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "imap/wire/response_reader.hpp"
#include "imapfs/imap/server_traits.hpp"

namespace imapfs::imap {

struct Response {
  enum class Kind : std::uint8_t { untagged, tagged, continuation, junk };
  Kind kind = Kind::junk;
  std::optional<std::uint64_t> number;  ///< "* 5 EXISTS"
  std::string name;                     ///< upper case: "EXISTS", "OK"; at most 32 bytes, so it rarely allocates
  [[nodiscard]] bool is(std::string_view wanted) const { return name == wanted; }
};

/// For OK, PREAUTH, NO, BAD and BYE, which status text follows. Nothing for other names.
[[nodiscard]] std::optional<Answer::Kind> status_kind(std::string_view response_name);

/// Gets an untagged response with the reader after its name. True: taken; the unread rest is skipped.
using UntaggedHandler = std::function<Result<bool>(const Response&, ResponseReader&)>;

}  // namespace imapfs::imap
