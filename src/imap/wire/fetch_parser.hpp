#pragma once
// Parses one FETCH response: items in any order; unknown ones are skipped by their structure.
//
// Only header blocks are kept in memory, at most max_header_block bytes of each; the rest is skipped. Bodies go in
// pieces to the sink that the BodyReceiver chooses. The last byte of each comes only after the row has ended correctly,
// so a sink that has as many bytes as were announced has the whole body. Malformed items are absent. Errors have scope
// session, or are those of a sink (the literal is then unread, and the session lost). A literal with a wrong length, or
// a UID over 32 bits, is EIO, scope session, retry never: what follows is no IMAP.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "imap/wire/response_reader.hpp"
#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

inline constexpr std::size_t max_header_block = 256 * 1024;

/// BODY[section]<origin> as the server labelled it.
struct BodyLabel {
  std::string_view section;             ///< empty: the whole message
  std::optional<std::uint64_t> origin;  ///< of a part; else empty
  Uid uid_so_far;                       ///< 0 if the row has not named its UID yet
};

/// Chooses where a body goes.
class BodyReceiver {
 public:
  virtual ~BodyReceiver() = default;
  /// Called for a body of `length` bytes. Returns the sink (the parser calls its begin()), or null to skip the body.
  virtual Result<BodySink*> receive(const BodyLabel& label, std::uint64_t length) = 0;
  /// Whether the bodies of the row belong to this UID. If not, their sinks do not get the last byte.
  [[nodiscard]] virtual bool accepts(Uid uid_of_row) const = 0;
};

class FetchParser {
 public:
  /// Parses the row at the reader's cursor (after "* n FETCH"). The row's header_block is valid until the next call.
  Result<FetchRow> parse(ResponseReader& reader, BodyReceiver* bodies);

  /// Whether the last row contained an item that only a listing asks for (date, size, header), well-formed or not. A
  /// row without one is news of a flag change.
  [[nodiscard]] bool named_listing_item() const { return named_listing_item_; }

 private:
  Result<void> item(ResponseReader& reader, FetchRow& row, BodyReceiver* bodies);
  Result<void> body_item(ResponseReader& reader, FetchRow& row, BodyReceiver* bodies);
  Result<void> header_item(ResponseReader& reader, FetchRow& row);
  Result<void> uid_item(ResponseReader& reader, FetchRow& row);
  Result<void> pour_literal(ResponseReader& reader, BodySink& sink);
  /// Gives the sink all bytes but the last of the body.
  Result<void> give(BodySink& sink, std::span<const char> bytes, bool last);
  Result<void> give_endings();

  struct Ending {
    BodySink* sink;
    char octet;
  };

  std::vector<Ending> endings_;  ///< the last bytes of the row's bodies
  bool named_listing_item_ = false;
  std::string header_;
  std::string scratch_;
  std::string section_;
};

}  // namespace imapfs::imap
