#pragma once
// What makes a file an Internet message that IMAP takes (RFC 5322, RFC 9051 §6.3.12), and how it becomes one.
//
// Everything is streamed: constant memory, lines and messages of any length, bytes in chunks cut anywhere with the
// same outcome. Values without thread affinity; they own nothing but a bounded string.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "imapfs/base/result.hpp"

namespace imapfs::mime {

struct MessageForm {
  std::uint64_t canonical_size = 0;  ///< bytes once every bare LF is CRLF
  bool needs_conversion = false;     ///< there is a bare LF
  std::string
      message_id;  ///< of the first Message-ID that says something: unfolded, trimmed, cut to 998 bytes; else empty
};

/// Looks at a message from front to end.
class MessageInspector {
 public:
  void take(std::span<const char> octets);
  /// After the last byte. EINVAL, with a reason that names the line and how to cure it, if there is nothing, a NUL, an
  /// mbox "From " line in front, or no header field to begin with. A header without the empty line after it is a
  /// message; so is one whose lines are too long.
  [[nodiscard]] Result<MessageForm> finish() const;

 private:
  enum class Place : std::uint8_t {
    line_start,
    name,          ///< of a field
    before_colon,  ///< RFC 5322 §4.5: white space there is obsolete, not wrong
    message_id,    ///< its body
    rest_of_line,
    body,  ///< of the message
  };

  void scan(std::span<const char> octets);
  void header_octet(char octet);
  void line_octet(char octet);
  void name_octet(char octet);
  void end_name();
  void end_header_line();
  void keep(char octet);
  void refuse_first_line();

  std::uint64_t octets_ = 0;
  std::uint64_t bare_line_feeds_ = 0;
  std::uint64_t line_ = 1;
  bool after_carriage_return_ = false;
  Place place_ = Place::line_start;
  std::size_t name_length_ = 0;
  bool name_is_message_id_ = false;  ///< as far as it has been read
  std::size_t mbox_prefix_ = 0;      ///< bytes of "From " that the first line begins with
  bool folded_message_id_ = false;   ///< a line that begins with white space goes on with it
  std::string message_id_;
  std::optional<std::string> reason_;  ///< why it is refused: the first there is
};

/// Turns bare LF into CRLF; CRLF and bare CR stay what they are.
class LineEndCanonicalizer {
 public:
  /// Converts from the front of `input` as much as has room in `output`, and returns how much that became; `consumed`
  /// is how much of the input is done with. Any room is enough to go on: a CR may come in one call and its LF in the
  /// next.
  std::size_t convert(std::span<const char> input, std::size_t& consumed, std::span<char> output);

 private:
  bool after_carriage_return_ = false;
};

}  // namespace imapfs::mime
