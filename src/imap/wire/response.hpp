#pragma once
// What kind of response the reader stands on, and who is offered it.

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
  std::string name;  ///< upper case: "EXISTS", "OK"; at most 32 bytes; kept in place, no allocation as a rule
  [[nodiscard]] bool is(std::string_view wanted) const { return name == wanted; }
};

/// OK, PREAUTH, NO, BAD and BYE: status text follows. Nothing for any other name.
[[nodiscard]] std::optional<Answer::Kind> status_kind(std::string_view response_name);

/// Gets an untagged response with the reader behind its name. True: taken (what it leaves unread is skipped).
using UntaggedHandler = std::function<Result<bool>(const Response&, ResponseReader&)>;

}  // namespace imapfs::imap
