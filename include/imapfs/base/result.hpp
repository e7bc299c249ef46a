#pragma once
// Errors as values.
//
// Every function that can fail for a reason outside the program returns Result<T>. An Error holds the errno for the
// user, how far the damage reaches, whether a repetition can help, and what happened in words; each caller on the way
// up adds what it was doing. Exceptions of third-party libraries are caught where the library is called and become
// Errors. Results are values: no thread affinity; they own nothing but their strings.

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <tl/expected.hpp>

namespace imapfs {

/// What a failure makes unusable: the request, the message it named, the mailbox, the connection (nothing can be sent
/// before a new one is made), or the account (no new connection helps: login, certificate, options).
enum class Scope : std::uint8_t { request, message, mailbox, session, account };

/// Whether the same request may succeed if it is sent again: never, at once (on a new connection if the scope is
/// session), or only later (throttling, no network, server unavailable).
enum class Retry : std::uint8_t { never, now, later };

std::string_view to_string(Scope scope);
std::string_view to_string(Retry retry);

/// A failure. `errnum` is a positive errno value; `what` is one line without a trailing full stop, innermost cause
/// last: "list /INBOX: fetch headers: connection closed by server".
struct Error {
  int errnum = EIO;
  Scope scope = Scope::request;
  Retry retry = Retry::never;
  std::string what;

  /// Whether the connection is lost, or the whole account: nothing more can be asked.
  [[nodiscard]] bool lost_connection() const { return scope >= Scope::session; }
  /// Whether the same request may succeed later or on another connection.
  [[nodiscard]] bool may_pass() const { return lost_connection() || retry != Retry::never; }

  /// Puts what the caller was doing in front of `what`.
  [[nodiscard]] Error while_doing(std::string_view activity) && {
    what = what.empty() ? std::string(activity) : fmt::format("{}: {}", activity, what);
    return std::move(*this);
  }
};

/// A value or the Error that prevented it.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

/// Builds the failing side of any Result: `return fail(ENOENT, "no mailbox {}", name);`
/// The short form means scope request and retry never; the long form states both.
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(int errnum, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(
      Error{errnum, Scope::request, Retry::never, fmt::format(format, std::forward<Args>(args)...)});
}
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(int errnum, Scope scope, Retry retry, fmt::format_string<Args...> format,
                                         Args&&... args) {
  return tl::unexpected<Error>(Error{errnum, scope, retry, fmt::format(format, std::forward<Args>(args)...)});
}
[[nodiscard]] inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

namespace detail {
/// The value of a Result that holds one; exists because tl::expected<void> has no value() to move.
template <class T>
T take(Result<T>&& result) {
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
}  // namespace detail

/// A failed system call: "what: strerror(errnum)". Scope request, retry never.
[[nodiscard]] Error system_error(int errnum, std::string_view what);

}  // namespace imapfs

#define IMAPFS_JOIN_TOKENS_(left, right) left##right
#define IMAPFS_JOIN_TOKENS(left, right) IMAPFS_JOIN_TOKENS_(left, right)
// Each use has a name of its own, so that one TRY may stand inside another's expression.
#define IMAPFS_TRY_AS_(result, on_error, ...)     \
  __extension__({                                 \
    auto result = (__VA_ARGS__);                  \
    if (!result) return ::imapfs::fail(on_error); \
    ::imapfs::detail::take(std::move(result));    \
  })
#define IMAPFS_TRY_PLAIN_(result, ...) IMAPFS_TRY_AS_(result, std::move(result).error(), __VA_ARGS__)
#define IMAPFS_TRY_CONTEXT_(result, activity, ...) \
  IMAPFS_TRY_AS_(result, std::move(result).error().while_doing(activity), __VA_ARGS__)

/// Evaluates to the value of a Result, or returns its Error from the enclosing function.
#define IMAPFS_TRY(...) IMAPFS_TRY_PLAIN_(IMAPFS_JOIN_TOKENS(imapfs_try_, __COUNTER__), __VA_ARGS__)

/// As IMAPFS_TRY, but adds the activity to the Error.
#define IMAPFS_TRY_WHILE(activity, ...) \
  IMAPFS_TRY_CONTEXT_(IMAPFS_JOIN_TOKENS(imapfs_try_, __COUNTER__), activity, __VA_ARGS__)
