#pragma once
// What a server can do and what it does wrong: capabilities, quirks, and the table from its answers to Errors.
//
// A quirk is a named property that is detected by greeting, ID and capabilities and can be overridden by `-o
// quirks=+name,-name`. man/imapfs.7 documents each quirk, and tests/protocol has a scripted dialogue for it. Plain
// values.

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
  /// "X=" removes every word with this beginning.
  void remove(std::string_view word) {
    std::erase_if(words_,
                  [&](const auto& known) { return known == word || (word.ends_with('=') && known.starts_with(word)); });
  }
  [[nodiscard]] bool empty() const { return words_.empty(); }

 private:
  std::set<std::string> words_;
};

/// Explained in the table of server_traits.cpp.
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
  // From here on: advertised but unusable, for every other extension that would be used.
  no_acl,
  no_appendlimit,
  no_auth_login,  ///< the login method of this name is refused but another works; the next two likewise
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

struct QuirkOverrides {
  Quirks add;
  Quirks remove;
  /// "+no-qresync,-no-idle"; EINVAL names the unknown word and lists the known ones.
  static Result<QuirkOverrides> parse(std::string_view text);
};

/// Quirks that one connection to an account found out, for the next connections. Any thread.
class LearnedQuirks {
 public:
  void add(const Quirks& quirks);
  [[nodiscard]] Quirks all() const;

 private:
  mutable Guarded<Quirks> quirks_;
};

/// What is known of a server after login.
struct ServerTraits {
  std::string greeting;
  Capabilities capabilities;  ///< after login, without those that a quirk removes
  IdFields id;
  Quirks quirks;
  [[nodiscard]] bool has(std::string_view capability) const { return capabilities.has(capability); }
  [[nodiscard]] bool has(Quirk quirk) const { return quirks.contains(quirk); }
};

/// The global limit of RFC 7889 ("APPENDLIMIT=35651584") in bytes. Nothing if there is none or each mailbox has its
/// own.
[[nodiscard]] std::optional<std::uint64_t> append_limit(const Capabilities& capabilities);

/// Detects quirks, applies the overrides, and removes the capabilities that a quirk makes unusable.
ServerTraits make_traits(std::string greeting, Capabilities capabilities, IdFields id, const QuirkOverrides& overrides);

/// A tagged answer or BYE.
struct Answer {
  enum class Kind : std::uint8_t { ok, no, bad, bye };
  Kind kind = Kind::ok;
  std::string code;       ///< the response code's atom in upper case without brackets: "NONEXISTENT"
  std::string code_data;  ///< the text after the atom inside the brackets
  std::string text;
};

/// The only table from answers to Errors: errno, scope and retry for a failed `command` ("SELECT", "FETCH", "LOGIN" …).
/// Throttling hints ("Suggested Backoff Time: N ms") and [UNAVAILABLE], [LIMIT], [INUSE] become Retry::later.
Error error_from_answer(std::string_view command, const Answer& answer);
/// The milliseconds that a server's text asks to wait before the next try.
std::optional<std::uint32_t> suggested_backoff_ms(std::string_view text);

}  // namespace imapfs::imap
