#pragma once
// Checks that a file is an Internet message that IMAP takes (RFC 5322, RFC 9051 §6.3.12), and gives it CRLF line ends.
//
// Everything is streamed, in constant memory: lines and messages of any length; the outcome does not depend on where
// the bytes are cut into chunks. Values without thread affinity; they own nothing but a bounded string.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "imapfs/base/result.hpp"

namespace imapfs::mime {

struct MessageForm {
  std::uint64_t canonical_size = 0;  ///< in bytes, with every bare LF as CRLF
  bool needs_conversion = false;     ///< there is a bare LF
  std::string
      message_id;  ///< of the first Message-ID that is not empty: unfolded, trimmed, cut to 998 bytes; else empty
};

/// Reads a message from front to end.
class MessageInspector {
 public:
  void take(std::span<const char> octets);
  /// Call it after the last byte. EINVAL for an empty file, a NUL, an mbox "From " line in front, or a file that does
  /// not begin with a header field; the reason names the line and the cure. A header without an empty line after it is
  /// accepted, and so are lines that are too long.
  [[nodiscard]] Result<MessageForm> finish() const;

 private:
  enum class Place : std::uint8_t {
    line_start,
    name,          ///< of a field
    before_colon,  ///< RFC 5322 §4.5: white space before the colon is obsolete, not wrong
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
  bool name_is_message_id_ = false;  ///< the name read so far could be Message-ID
  std::size_t mbox_prefix_ = 0;      ///< how many bytes of "From " the first line begins with
  bool folded_message_id_ = false;   ///< white space at the start of the next line continues the Message-ID
  std::string message_id_;
  std::optional<std::string> reason_;  ///< the first reason to refuse the message
};

/// Turns bare LF into CRLF; leaves CRLF and bare CR alone.
class LineEndCanonicalizer {
 public:
  /// Converts as much of `input` as fits into `output`. Returns the number of bytes written; `consumed` is the number
  /// of bytes read. Any room is enough to go on. A CR and its LF may come in two calls.
  std::size_t convert(std::span<const char> input, std::size_t& consumed, std::span<char> output);

 private:
  bool after_carriage_return_ = false;
};

}  // namespace imapfs::mime
