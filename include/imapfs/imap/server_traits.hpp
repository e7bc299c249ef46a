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

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs::imap {

/// Capabilities in upper case as sent ("AUTH=PLAIN", "QRESYNC").
class Capabilities {
 public:
  Capabilities() = default;
  explicit Capabilities(std::set<std::string> words) : words_(std::move(words)) {}
  [[nodiscard]] bool has(std::string_view word) const { return words_.contains(std::string(word)); }
  [[nodiscard]] const std::set<std::string>& words() const { return words_; }
  /// "X=" stands for every word that begins so.
  void remove(std::string_view word) {
    std::erase_if(words_,
                  [&](const auto& known) { return known == word || (word.ends_with('=') && known.starts_with(word)); });
  }
  [[nodiscard]] bool empty() const { return words_.empty(); }

 private:
  std::set<std::string> words_;
};

/// Each is explained where it is declared in server_traits.cpp's table.
enum class Quirk : std::uint8_t {
  no_qresync,         ///< QRESYNC is advertised but unusable (iCloud, WorkMail)
  no_condstore,       ///< CONDSTORE is advertised but unusable
  no_partial,         ///< BODY.PEEK[]<…> returns wrong data (old Exchange)
  no_list_return,     ///< LIST … RETURN is a syntax error (Courier, Exchange rev2)
  no_move,            ///< MOVE is advertised but broken (yahoo.co.jp)
  no_idle,            ///< IDLE is advertised but unusable
  no_notify,          ///< NOTIFY is advertised but unusable
  wrong_sizes,        ///< RFC822.SIZE is not the body's length (Gmail, Exchange, hMailServer)
  small_fetch_sets,   ///< more than 2,000 messages in one FETCH fail (Yahoo)
  id_before_select,   ///< SELECT is refused until ID was sent (163, 126, yeah.net)
  needs_utf8_accept,  ///< mail with 8-bit headers is refused until UTF8=ACCEPT was enabled (Courier)
  // Every other extension that is used where it is offered: advertised, but unusable.
  no_acl,
  no_appendlimit,
  no_auth_login,  ///< the way to log in of that name, as of the next two: it is refused where another is not
  no_auth_plain,
  no_auth_scram,
  no_compress,
  no_enable,
  no_esearch,
  no_id,
  no_literal_plus,
  no_namespace,
  no_quota,
  no_special_use,
  no_status_size,
  no_uidplus,
  no_unselect,
  no_utf8_accept,
};
inline constexpr int quirk_count = 28;
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

/// Quirks that connections to an account have met, for those that follow. Any thread.
class LearnedQuirks {
 public:
  void add(const Quirks& quirks);
  [[nodiscard]] Quirks all() const;

 private:
  mutable Guarded<Quirks> quirks_;
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

/// The global limit of RFC 7889 ("APPENDLIMIT=35651584"), in bytes; nothing if there is none or it differs by mailbox.
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

/// The one table from answers to Errors: errno, scope and retry for a failed `command` ("SELECT", "FETCH", "LOGIN" …).
/// Throttling hints ("Suggested Backoff Time: N ms") and [UNAVAILABLE], [LIMIT], [INUSE] become Retry::later.
Error error_from_answer(std::string_view command, const Answer& answer);
/// Milliseconds a server asked to wait before the next try, if its text says so.
std::optional<std::uint32_t> suggested_backoff_ms(std::string_view text);

}  // namespace imapfs::imap
