#include "imapfs/imap/fetch_parser.hpp"

#include <limits>

#include "imapfs/imap/response_values.hpp"

namespace imapfs::imap {
namespace {

constexpr std::string_view header_fields = "HEADER";

/// Up to the ']' that ends a section; quoted field names may hold one.
std::string_view take_section(ResponseReader& reader) {
  const auto text = reader.rest();
  bool inside = false;
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    if (text[end] == '"') inside = !inside;
    if (!inside && text[end] == ']') break;
  }
  reader.skip(end + 1);
  return text.substr(0, end);
}

/// "<512>", or "<0.512>" as some servers repeat the request.
std::optional<std::uint64_t> take_origin(ResponseReader& reader) {
  if (!reader.accept('<')) return std::nullopt;
  const auto origin = reader.number();
  while (!reader.at_end() && reader.peek() != '>' && reader.peek() != ' ') reader.skip(1);
  reader.accept('>');
  return origin;
}

Result<void> pour_literal(ResponseReader& reader, BodySink& sink) {
  while (true) {
    const auto piece = IMAPFS_TRY(reader.literal_piece());
    if (piece.empty()) break;
    IMAPFS_TRY(sink.data(piece));
  }
  return reader.end_literal();
}

}  // namespace

Result<FetchRow> FetchParser::parse(ResponseReader& reader, BodyReceiver* bodies) {
  FetchRow row;
  named_listing_item_ = false;
  reader.skip_spaces();
  if (!reader.accept('(')) return row;
  while (true) {
    reader.skip_spaces();
    if (reader.at_end() || reader.accept(')')) break;
    IMAPFS_TRY(item(reader, row, bodies));
  }
  return row;
}

Result<void> FetchParser::item(ResponseReader& reader, FetchRow& row, BodyReceiver* bodies) {
  if (reader.at_literal()) return reader.skip_value();  // a second value of an item we do not know
  const auto name = reader.item_name();
  if (reader.peek() == '[') {
    const bool body = iequals(name, "BODY") || iequals(name, "BINARY");
    reader.skip(1);
    section_ = take_section(reader);
    if (!body) {
      take_origin(reader);
      return reader.skip_value();
    }
    return body_item(reader, row, bodies);
  }
  reader.skip_spaces();
  if (iequals(name, "UID")) {
    const auto uid = reader.number();
    if (uid && *uid <= std::numeric_limits<std::uint32_t>::max()) row.uid = Uid{static_cast<std::uint32_t>(*uid)};
  } else if (iequals(name, "FLAGS")) {
    if (reader.peek() != '(') return reader.skip_value();
    row.flags = parse_flag_list(reader);
  } else if (iequals(name, "RFC822.SIZE")) {
    named_listing_item_ = true;
    row.size = reader.number();
    if (!row.size) return reader.skip_value();
  } else if (iequals(name, "INTERNALDATE")) {
    named_listing_item_ = true;
    const auto text = IMAPFS_TRY(reader.string(scratch_, 64));
    if (text) row.internal_date = parse_internal_date(*text);
  } else if (iequals(name, "MODSEQ")) {
    const bool list = reader.accept('(');
    if (const auto modseq = reader.number(); modseq && *modseq > 0) row.modseq = ModSeq{*modseq};
    if (list) reader.accept(')');
  } else {
    return reader.skip_value();
  }
  return {};
}

Result<void> FetchParser::header_item(ResponseReader& reader, FetchRow& row) {
  const auto block = IMAPFS_TRY(reader.string(header_, max_header_block));
  if (!block) return {};
  if (block->data() != header_.data()) header_ = *block;
  row.header_block = header_;
  return {};
}

Result<void> FetchParser::body_item(ResponseReader& reader, FetchRow& row, BodyReceiver* bodies) {
  const auto origin = take_origin(reader);
  reader.skip_spaces();
  if (bodies == nullptr) {
    if (iequals(std::string_view(section_).substr(0, header_fields.size()), header_fields)) {
      named_listing_item_ = true;
      return header_item(reader, row);
    }
    return reader.skip_value();
  }
  const BodyLabel label{section_, origin, row.uid};
  if (reader.at_literal()) {
    const auto length = IMAPFS_TRY(reader.begin_literal());
    BodySink* sink = IMAPFS_TRY(bodies->receive(label, length));
    if (sink == nullptr) return reader.end_literal();
    IMAPFS_TRY(sink->begin(length));
    return pour_literal(reader, *sink);
  }
  if (reader.peek() != '"') return reader.skip_value();  // NIL: no such body
  const auto text = reader.quoted(scratch_);
  BodySink* sink = IMAPFS_TRY(bodies->receive(label, text.size()));
  if (sink == nullptr) return {};
  IMAPFS_TRY(sink->begin(text.size()));
  if (!text.empty()) IMAPFS_TRY(sink->data({text.data(), text.size()}));
  return {};
}

}  // namespace imapfs::imap
