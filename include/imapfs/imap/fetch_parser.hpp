#pragma once
// One FETCH response: its items in any order, unknown ones skipped by structure.
//
// Nothing but header blocks is kept in memory (at most max_header_block octets of one; the rest is read over). Bodies go where the
// BodyReceiver says, in pieces. Malformed items are absent. Errors: scope session, or what a sink returned (then the literal
// was left unread: the session is lost).

#include <functional>
#include <optional>
#include <string>

#include "imapfs/imap/response_reader.hpp"
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
  /// Called at a body of `length` octets. The sink that receives it (begin() is called by the parser), or null to skip it.
  virtual Result<BodySink*> receive(const BodyLabel& label, std::uint64_t length) = 0;
};

class FetchParser {
 public:
  /// Parses the row at the reader's cursor (after "* n FETCH"). The row's header_block is valid until the next call.
  Result<FetchRow> parse(ResponseReader& reader, BodyReceiver* bodies);

  /// Whether the last row named something only a listing asks for (date, size, header), well-formed or not: a row without is news
  /// of a flag change.
  [[nodiscard]] bool named_listing_item() const { return named_listing_item_; }

 private:
  Result<void> item(ResponseReader& reader, FetchRow& row, BodyReceiver* bodies);
  Result<void> body_item(ResponseReader& reader, FetchRow& row, BodyReceiver* bodies);
  Result<void> header_item(ResponseReader& reader, FetchRow& row);

  bool named_listing_item_ = false;
  std::string header_;
  std::string scratch_;
  std::string section_;
};

}  // namespace imapfs::imap
