#include "imapfs/base/result.hpp"

#include <system_error>

namespace imapfs {

std::string_view to_string(Scope scope) {
  switch (scope) {
    case Scope::request: return "request";
    case Scope::message: return "message";
    case Scope::mailbox: return "mailbox";
    case Scope::session: return "session";
    case Scope::account: return "account";
  }
  return "unknown";
}

std::string_view to_string(Retry retry) {
  switch (retry) {
    case Retry::never: return "never";
    case Retry::now: return "now";
    case Retry::later: return "later";
  }
  return "unknown";
}

Error system_error(int errnum, std::string_view what) {
  return Error{errnum, Scope::request, Retry::never,
               fmt::format("{}: {}", what, std::generic_category().message(errnum))};
}

}  // namespace imapfs
