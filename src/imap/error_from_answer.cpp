#include <algorithm>
#include <array>

#include "imap/wire/response_reader.hpp"
#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"
#include "imapfs/imap/server_traits.hpp"

namespace imapfs::imap {
namespace {

struct Verdict {
  int errnum;
  Scope scope;
  Retry retry;
};

struct CodeRow {
  std::string_view code;
  Verdict verdict;
};

/// Response codes of RFC 5530, 9051, 7889, 7162, 5182, 2180.
constexpr std::array<CodeRow, 25> code_table = {{
    {"NONEXISTENT", {ENOENT, Scope::mailbox, Retry::never}},
    {"TRYCREATE", {ENOENT, Scope::mailbox, Retry::never}},
    {"ALREADYEXISTS", {EEXIST, Scope::request, Retry::never}},
    {"NOPERM", {EACCES, Scope::request, Retry::never}},
    {"READ-ONLY", {EROFS, Scope::mailbox, Retry::never}},
    {"OVERQUOTA", {EDQUOT, Scope::request, Retry::never}},
    {"LIMIT", {EAGAIN, Scope::request, Retry::later}},
    {"INUSE", {EBUSY, Scope::request, Retry::later}},
    {"UNAVAILABLE", {EAGAIN, Scope::request, Retry::later}},
    {"EXPUNGEISSUED", {ESTALE, Scope::message, Retry::never}},
    {"CANNOT", {EPERM, Scope::request, Retry::never}},
    {"APPENDLIMIT", {EFBIG, Scope::request, Retry::never}},
    {"TOOBIG", {EFBIG, Scope::request, Retry::never}},
    {"HASCHILDREN", {ENOTEMPTY, Scope::request, Retry::never}},
    {"CORRUPTION", {EIO, Scope::mailbox, Retry::never}},
    {"SERVERBUG", {EIO, Scope::request, Retry::never}},
    {"CLIENTBUG", {EIO, Scope::request, Retry::never}},
    {"BADCHARSET", {EINVAL, Scope::request, Retry::never}},
    {"NOTSAVED", {EIO, Scope::request, Retry::never}},
    {"UNKNOWN-CTE", {EIO, Scope::message, Retry::never}},
    {"PRIVACYREQUIRED", {EACCES, Scope::account, Retry::never}},
    {"AUTHENTICATIONFAILED", {EACCES, Scope::account, Retry::never}},
    {"AUTHORIZATIONFAILED", {EACCES, Scope::account, Retry::never}},
    {"EXPIRED", {EACCES, Scope::account, Retry::never}},
    {"CONTACTADMIN", {EACCES, Scope::account, Retry::never}},
}};

struct TextRow {
  std::string_view text;
  Verdict verdict;
};

/// Words of servers that send no code. The first match wins; compared in upper case.
constexpr std::array<TextRow, 21> text_table = {{
    {"AUTHENTICATED BUT NOT CONNECTED", {EACCES, Scope::account, Retry::later}},  // Exchange: a login failure
    {"THROTTLED", {EAGAIN, Scope::request, Retry::later}},
    {"TOO MANY SIMULTANEOUS", {EAGAIN, Scope::request, Retry::later}},
    {"TOO MANY CONNECTIONS", {EAGAIN, Scope::request, Retry::later}},
    {"MAXIMUM NUMBER OF CONNECTIONS", {EAGAIN, Scope::request, Retry::later}},
    {"SERVER UNAVAILABLE", {EAGAIN, Scope::request, Retry::later}},
    {"TRY AGAIN LATER", {EAGAIN, Scope::request, Retry::later}},
    {"TEMPORAR", {EAGAIN, Scope::request, Retry::later}},
    {"QUOTA EXCEEDED", {EDQUOT, Scope::request, Retry::never}},
    {"OVER QUOTA", {EDQUOT, Scope::request, Retry::never}},
    {"ALREADY EXISTS", {EEXIST, Scope::request, Retry::never}},
    {"HAS CHILDREN", {ENOTEMPTY, Scope::request, Retry::never}},
    {"HAS INFERIOR", {ENOTEMPTY, Scope::request, Retry::never}},  // an example in RFC 9051 §6.3.5
    {"READ-ONLY", {EROFS, Scope::mailbox, Retry::never}},
    {"MESSAGES NO LONGER EXIST", {ESTALE, Scope::message, Retry::never}},
    {"DOESN'T EXIST", {ENOENT, Scope::mailbox, Retry::never}},
    {"DOES NOT EXIST", {ENOENT, Scope::mailbox, Retry::never}},
    {"NONEXISTENT", {ENOENT, Scope::mailbox, Retry::never}},
    {"NO SUCH MAILBOX", {ENOENT, Scope::mailbox, Retry::never}},
    {"UNKNOWN MAILBOX", {ENOENT, Scope::mailbox, Retry::never}},
    {"PERMISSION DENIED", {EACCES, Scope::request, Retry::never}},
}};

constexpr std::array<std::string_view, 10> changes = {"APPEND", "UID COPY", "UID MOVE", "UID STORE", "UID EXPUNGE",
                                                      "CREATE", "DELETE",   "RENAME",   "SUBSCRIBE", "UNSUBSCRIBE"};

bool is_change(std::string_view command) { return std::find(changes.begin(), changes.end(), command) != changes.end(); }

bool is_login(std::string_view command) { return command == "LOGIN" || command == "AUTHENTICATE"; }

std::optional<Verdict> verdict_by_code(const Answer& answer) {
  for (const auto& row : code_table) {
    if (row.code == answer.code) return row.verdict;
  }
  return std::nullopt;
}

std::optional<Verdict> verdict_by_text(const Answer& answer) {
  const auto text = upper(answer.text);
  if (suggested_backoff_ms(text)) return Verdict{EAGAIN, Scope::request, Retry::later};
  for (const auto& row : text_table) {
    if (text.find(row.text) != std::string::npos) return row.verdict;
  }
  return std::nullopt;
}

Verdict verdict_of_change(Answer::Kind kind, std::optional<Verdict> verdict) {
  // A NO without a known reason is a refusal. BAD means that we and the server do not understand each other.
  if (!verdict) return {kind == Answer::Kind::no ? EPERM : EIO, Scope::request, Retry::never};
  // For a change, no open file can be stale: the named message is gone.
  if (verdict->errnum == ESTALE) verdict->errnum = ENOENT;
  // Whoever may log in has an account: only this change is refused.
  if (verdict->scope == Scope::account) verdict->scope = Scope::request;
  return *verdict;
}

Verdict verdict_of(std::string_view command, const Answer& answer) {
  auto verdict = verdict_by_code(answer);
  if (!verdict) verdict = verdict_by_text(answer);
  if (answer.kind == Answer::Kind::bye) {
    if (verdict && verdict->scope == Scope::account) return *verdict;
    const bool later = verdict && verdict->retry == Retry::later;
    return {later ? verdict->errnum : EHOSTUNREACH, Scope::session, later ? Retry::later : Retry::now};
  }
  if (is_login(command)) {
    // A busy server may accept the same password later; any other refusal is final.
    if (verdict && verdict->retry == Retry::later && verdict->scope != Scope::account) {
      return {verdict->errnum, Scope::session, Retry::later};
    }
    return {EACCES, Scope::account, verdict ? verdict->retry : Retry::never};
  }
  if (is_change(command)) return verdict_of_change(answer.kind, verdict);
  if (!verdict) return {EIO, Scope::request, Retry::never};
  return *verdict;
}

std::string_view to_string(Answer::Kind kind) {
  switch (kind) {
    case Answer::Kind::ok: return "OK";
    case Answer::Kind::no: return "NO";
    case Answer::Kind::bad: return "BAD";
    case Answer::Kind::bye: return "BYE";
  }
  return "?";
}

}  // namespace

Error error_from_answer(std::string_view command, const Answer& answer) {
  const auto verdict = verdict_of(command, answer);
  const auto text = telemetry::printable(answer.text, 300);
  auto what = answer.code.empty()
                  ? fmt::format("{} {}", to_string(answer.kind), text)
                  : fmt::format("{} [{}] {}", to_string(answer.kind), telemetry::printable(answer.code, 40), text);
  if (answer.kind == Answer::Kind::bye) {
    what = "connection closed by server: " + what;
  } else if (is_login(command)) {
    what = "login refused by server: " + what;
  } else {
    what = fmt::format("{}: server answered {}", command, what);
  }
  while (what.ends_with('.') || what.ends_with(' ')) what.pop_back();
  return Error{verdict.errnum, verdict.scope, verdict.retry, std::move(what)};
}

std::optional<std::uint32_t> suggested_backoff_ms(std::string_view text) {
  constexpr std::string_view phrase = "SUGGESTED BACKOFF TIME:";
  constexpr std::uint64_t longest = 3'600'000;  // an hour; a longer wait would be a hostile freeze
  const auto all = upper(text);
  const auto found = all.find(phrase);
  if (found == std::string::npos) return std::nullopt;
  auto rest = std::string_view(all).substr(found + phrase.size());
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  const auto value = parse_number(rest.substr(0, rest.find_first_not_of("0123456789")));
  if (!value) return std::nullopt;
  return static_cast<std::uint32_t>(std::min(*value, longest));
}

}  // namespace imapfs::imap
