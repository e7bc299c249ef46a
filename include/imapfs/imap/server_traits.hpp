#pragma once
// What a server can do and what it gets wrong: capabilities, quirks, and the table from its answers to Errors.
//
// A quirk is a named property chosen from greeting, ID and capabilities, overridable by `-o quirks=+name,-name`; every
// quirk is documented in man/imapfs.7 and has a scripted dialogue in tests/protocol. Plain values.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "imapfs/base/result.hpp"

namespace imapfs::imap {

/// Capabilities in upper case as sent ("AUTH=PLAIN", "QRESYNC").
class Capabilities {
 public:
  Capabilities() = default;
  explicit Capabilities(std::set<std::string> words) : words_(std::move(words)) {}
  [[nodiscard]] bool has(std::string_view word) const { return words_.contains(std::string(word)); }
  [[nodiscard]] const std::set<std::string>& words() const { return words_; }
  void remove(std::string_view word) { words_.erase(std::string(word)); }
  [[nodiscard]] bool empty() const { return words_.empty(); }

 private:
  std::set<std::string> words_;
};

/// Each is explained where it is declared in server_traits.cpp's table.
enum class Quirk : std::uint8_t {
  no_qresync,           ///< QRESYNC is advertised but unusable (iCloud, WorkMail)
  no_condstore,         ///< CONDSTORE is advertised but unusable
  no_partial,           ///< BODY.PEEK[]<…> returns wrong data (old Exchange)
  no_list_return,       ///< LIST … RETURN is a syntax error (Courier, Exchange rev2)
  no_move,              ///< MOVE is advertised but broken (yahoo.co.jp)
  no_idle,              ///< IDLE is advertised but unusable
  no_notify,            ///< NOTIFY is advertised but unusable
  wrong_sizes,          ///< RFC822.SIZE is not the body's length (Gmail, Exchange, hMailServer)
  small_fetch_sets,     ///< more than 2,000 messages in one FETCH fail (Yahoo)
  id_before_select,     ///< SELECT is refused until ID was sent (163, 126, yeah.net)
};
inline constexpr int quirk_count = 10;
[[nodiscard]] std::string_view to_string(Quirk quirk);
std::optional<Quirk> quirk_from_string(std::string_view name);

using Quirks = std::set<Quirk>;
using IdFields = std::map<std::string, std::string>;  ///< RFC 2971, keys in lower case

/// Overrides of `-o quirks=`.
struct QuirkOverrides {
  Quirks add;
  Quirks remove;
  /// "+no-qresync,-no-idle"; EINVAL names the unknown word and lists the known ones.
  static Result<QuirkOverrides> parse(std::string_view text);
};

/// What is known of a logged-in server.
struct ServerTraits {
  std::string greeting;
  Capabilities capabilities;  ///< after login, without those a quirk removes
  IdFields id;
  Quirks quirks;
  [[nodiscard]] bool has(std::string_view capability) const { return capabilities.has(capability); }
  [[nodiscard]] bool has(Quirk quirk) const { return quirks.contains(quirk); }
};

/// The global limit of RFC 7889 ("APPENDLIMIT=35651584"), in octets; nothing if there is none or it differs by mailbox.
[[nodiscard]] std::optional<std::uint64_t> append_limit(const Capabilities& capabilities);

/// Detects quirks, applies the overrides, and removes the capabilities that a quirk makes unusable.
ServerTraits make_traits(std::string greeting, Capabilities capabilities, IdFields id, const QuirkOverrides& overrides);

/// A tagged answer or BYE.
struct Answer {
  enum class Kind : std::uint8_t { ok, no, bad, bye };
  Kind kind = Kind::ok;
  std::string code;       ///< response code's atom in upper case without brackets: "NONEXISTENT"
  std::string code_data;  ///< what follows the atom inside the brackets
  std::string text;
};

/// The one table of design §1.4: errno, scope and retry for a failed `command` ("SELECT", "FETCH", "LOGIN" …).
/// Throttling hints ("Suggested Backoff Time: N ms") and [UNAVAILABLE], [LIMIT], [INUSE] become Retry::later.
Error error_from_answer(std::string_view command, const Answer& answer);
/// Milliseconds a server asked to wait before the next try, if its text says so.
std::optional<std::uint32_t> suggested_backoff_ms(std::string_view text);

}  // namespace imapfs::imap
