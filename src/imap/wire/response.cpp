#include "imap/wire/response.hpp"

namespace imapfs::imap {

std::optional<Answer::Kind> status_kind(std::string_view response_name) {
  if (response_name == "OK" || response_name == "PREAUTH") return Answer::Kind::ok;
  if (response_name == "NO") return Answer::Kind::no;
  if (response_name == "BAD") return Answer::Kind::bad;
  if (response_name == "BYE") return Answer::Kind::bye;
  return std::nullopt;
}

}  // namespace imapfs::imap
