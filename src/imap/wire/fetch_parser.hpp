#pragma once
// One FETCH response: its items in any order, unknown ones skipped by structure.
//
// Nothing but header blocks is kept in memory (at most max_header_block bytes of one; the rest is read over). Bodies
// go where the BodyReceiver says, in pieces, and the last byte of each only when the row has ended as a row must: who
// has got as many bytes as were announced has the whole body. Malformed items are absent. Errors: scope session, or
// what a sink returned (then the literal was left unread: the session is lost). A literal whose length is a lie, or a
// UID beyond 32 bits, is EIO, scope session, never to be tried again: what follows is no IMAP.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "imap/wire/response_reader.hpp"
#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

inline constexpr std::size_t max_header_block = 256 * 1024;

/// BODY[section]<origin>, as the server labelled it.
struct BodyLabel {
  std::string_view section;             ///< empty: the whole message
  std::optional<std::uint64_t> origin;  ///< of a partial
  Uid uid_so_far;                       ///< 0 while UID has not been seen in this row
};

/// Decides where a body goes.
class BodyReceiver {
 public:
  virtual ~BodyReceiver() = default;
  /// Called at a body of `length` bytes. The sink that receives it (begin() is called by the parser), or null to skip
  /// it.
  virtual Result<BodySink*> receive(const BodyLabel& label, std::uint64_t length) = 0;
  /// Whether the bodies of the row that ends are of its message; if not, they stay without their last byte.
  [[nodiscard]] virtual bool accepts(Uid uid_of_row) const = 0;
};

class FetchParser {
 public:
  /// Parses the row at the reader's cursor (after "* n FETCH"). The row's header_block is valid until the next call.
  Result<FetchRow> parse(ResponseReader& reader, BodyReceiver* bodies);

  /// Whether the last row named something only a listing asks for (date, size, header), well-formed or not: a row
  /// without is news of a flag change.
  [[nodiscard]] bool named_listing_item() const { return named_listing_item_; }

 private:
  Result<void> item(ResponseReader& reader, FetchRow& row, BodyReceiver* bodies);
  Result<void> body_item(ResponseReader& reader, FetchRow& row, BodyReceiver* bodies);
  Result<void> header_item(ResponseReader& reader, FetchRow& row);
  Result<void> uid_item(ResponseReader& reader, FetchRow& row);
  Result<void> pour_literal(ResponseReader& reader, BodySink& sink);
  /// All but the last byte goes to the sink.
  Result<void> give(BodySink& sink, std::span<const char> bytes, bool last);
  Result<void> give_endings();

  struct Ending {
    BodySink* sink;
    char octet;
  };

  std::vector<Ending> endings_;  ///< of the row's bodies
  bool named_listing_item_ = false;
  std::string header_;
  std::string scratch_;
  std::string section_;
};

}  // namespace imapfs::imap
