#pragma once
// Names both ways: messages as file names, mailboxes as path components and as IMAP wire names.
//
// Guarantees: a produced component is valid UTF-8, is not empty, "." or "..", and holds no '/', NUL, C0/C1 control,
// DEL, bidi control, zero-width or other format character. A message's name is also in NFC and at most 200 bytes.
// Mailbox names round-trip exactly, so they are neither normalised nor cut: a component may be longer than the kernel
// accepts. Pure functions, any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::mime {

inline constexpr std::size_t max_file_name_bytes = 200;

/// What a message's name is made of. Headers are raw values as fetched; rendering decodes them.
struct NameFields {
  Uid uid;
  UnixTime internal_date = 0;
  std::string_view from;
  std::string_view to;
  std::string_view subject;
  std::string_view message_id;
};

/// `-o name=TEMPLATE`. Placeholders: {uid} (required, exactly once), {date} (2026-11-20_0930, UTC, INTERNALDATE),
/// {from} (address), {to}, {subject}, {message-id}. Literal text must itself be safe. The template must end in a
/// literal extension or {uid}.
class NameTemplate {
 public:
  static constexpr std::string_view default_text = "{date}_{from}_{subject}.{uid}.eml";

  /// Parses default_text.
  NameTemplate();

  /// EINVAL with the reason: no {uid}, {uid} twice, an unknown placeholder, literal text with a character that names
  /// never hold, {uid} directly beside a digit or another placeholder (the UID could not be read back), a leading '.'
  /// or '-', or fixed text too long for 200 bytes.
  static Result<NameTemplate> parse(std::string_view text);

  /// The file name. Never fails: absent fields become "nobody" / "no-subject". A name over 200 bytes is cut on
  /// character boundaries, first in the subject, then in the other fields; {uid} and the extension stay whole. White
  /// space and characters that a shell, a terminal or another system might misread become '-', one for each run ("Lunch
  /// on Friday?" -> "Lunch-on-Friday"); see NAMES in imapfs(7).
  [[nodiscard]] std::string render(const NameFields& fields) const;

  /// The UIDs that `name` may carry at the {uid} position of the template, most likely first; names from distinct()
  /// count. The caller compares `name` with the real name of that message.
  [[nodiscard]] std::vector<Uid> possible_uids(std::string_view name) const;

  /// Another name for a message whose name `rendered` is taken: adds this number of "+" after the UID. render() never
  /// makes such a name, and no two messages get the same one. Nothing if it would be longer than a file name can be.
  [[nodiscard]] std::optional<std::string> distinct(std::string_view rendered, Uid uid, std::size_t pluses) const;

  /// The UID of "4711.eml" (no leading zeros): the name of a message in the directory .uid.
  [[nodiscard]] static std::optional<Uid> short_form(std::string_view name);
  [[nodiscard]] static std::string short_form(Uid uid);

  /// Whether rendering needs header fields ("{uid}.eml" does not).
  [[nodiscard]] bool needs_headers() const;
  [[nodiscard]] bool uses_to() const;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  struct Piece {
    enum class Kind : std::uint8_t { literal, uid, date, from, to, subject, message_id };
    Kind kind = Kind::literal;
    std::string literal;
  };
  using Pieces = std::vector<Piece>;
  explicit NameTemplate(Pieces pieces) : pieces_(std::move(pieces)) {}
  static Result<Piece> placeholder(std::string_view name);
  static std::size_t least_bytes(const Piece& piece);
  static std::string value_of(const Piece& piece, const NameFields& fields);
  Result<void> check() const;
  [[nodiscard]] std::size_t uid_position() const;
  struct Digits {
    Uid uid;
    std::size_t end = 0;  ///< of the digits in the name
  };
  /// Where the name may carry a UID, last place first.
  [[nodiscard]] std::vector<Digits> possible_digits(std::string_view name) const;
  std::string text_;
  Pieces pieces_;
};

/// Any text as one safe component: at most `limit` bytes; `fallback` when nothing is left.
[[nodiscard]] std::string safe_component(std::string_view text, std::size_t limit, std::string_view fallback);

/// One hierarchy level of a mailbox name (UTF-8) as a path component. It is kept as it is, except that '/', NUL,
/// controls, invalid UTF-8, a leading dot, and a '%' that would look like an escape are escaped ("%2F"). The empty
/// level is "%20".
[[nodiscard]] std::string component_from_mailbox_level(std::string_view level);
/// The reverse. EINVAL for a component that no mailbox level gives.
Result<std::string> mailbox_level_from_component(std::string_view component);

/// RFC 3501 §5.1.3 modified UTF-7 to UTF-8. A name that is not valid modified UTF-7 (some servers send raw UTF-8 or
/// 8-bit) is kept as it is; then `exact` is false and the caller must remember the wire form.
struct DecodedName {
  std::string utf8;
  bool exact = true;  ///< encode_mailbox_name(utf8) gives the wire name back
};
[[nodiscard]] DecodedName decode_mailbox_name(std::string_view wire);
/// UTF-8 to modified UTF-7. EINVAL for invalid UTF-8.
Result<std::string> encode_mailbox_name(std::string_view utf8);

}  // namespace imapfs::mime
