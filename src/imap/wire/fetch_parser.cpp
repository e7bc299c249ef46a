#include "imap/wire/fetch_parser.hpp"

#include <limits>

#include "imap/wire/response_values.hpp"

namespace imapfs::imap {
namespace {

constexpr std::string_view header_fields = "HEADER";

/// Takes text up to the ']' that ends a section; a quoted field name may contain one.
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

/// Takes "<512>", or "<0.512>" from servers that repeat the request.
std::optional<std::uint64_t> take_origin(ResponseReader& reader) {
  if (!reader.accept('<')) return std::nullopt;
  const auto origin = reader.number();
  while (!reader.at_end() && reader.peek() != '>' && reader.peek() != ' ') reader.skip(1);
  reader.accept('>');
  return origin;
}

/// The text after the announced bytes cannot follow a value: the announced length was wrong.
Error lying_literal() {
  return Error{EIO, Scope::session, Retry::never,
               "protocol error: the server announced another length than the text in its answer has"};
}

Error impossible_uid() {
  return Error{EIO, Scope::session, Retry::never, "protocol error: the server gave a UID beyond 32 bits"};
}

}  // namespace

Result<FetchRow> FetchParser::parse(ResponseReader& reader, BodyReceiver* bodies) {
  FetchRow row;
  named_listing_item_ = false;
  endings_.clear();
  const auto literals = reader.literals();
  reader.skip_spaces();
  if (!reader.accept('(')) return row;
  bool closed = false;
  while (true) {
    reader.skip_spaces();
    closed = reader.accept(')');
    if (closed || reader.at_end()) break;
    const auto before = reader.literals();
    IMAPFS_TRY(item(reader, row, bodies));
    const bool literal = reader.literals() != before;
    if (literal && reader.peek() != ' ' && reader.peek() != ')') return fail(lying_literal());
  }
  const bool may_be_cut_short = reader.literals() != literals || !endings_.empty();
  if (!closed && may_be_cut_short) return fail(lying_literal());
  if (bodies != nullptr && bodies->accepts(row.uid)) IMAPFS_TRY(give_endings());
  return row;
}

Result<void> FetchParser::give_endings() {
  for (const auto& ending : endings_) IMAPFS_TRY(ending.sink->data({&ending.octet, 1}));
  return {};
}

Result<void> FetchParser::give(BodySink& sink, std::span<const char> bytes, bool last) {
  if (last) {
    endings_.push_back({&sink, bytes.back()});
    bytes = bytes.first(bytes.size() - 1);
  }
  return bytes.empty() ? Result<void>{} : sink.data(bytes);
}

Result<void> FetchParser::pour_literal(ResponseReader& reader, BodySink& sink) {
  while (true) {
    const auto piece = IMAPFS_TRY(reader.literal_piece());
    if (piece.empty()) break;
    IMAPFS_TRY(give(sink, piece, reader.literal_left() == 0));
  }
  return reader.end_literal();
}

Result<void> FetchParser::uid_item(ResponseReader& reader, FetchRow& row) {
  const bool digits = reader.peek() >= '0' && reader.peek() <= '9';
  const auto uid = reader.number();
  if (!digits) return {};
  if (!uid || *uid > std::numeric_limits<std::uint32_t>::max()) return fail(impossible_uid());
  row.uid = Uid{static_cast<std::uint32_t>(*uid)};
  return {};
}

Result<void> FetchParser::item(ResponseReader& reader, FetchRow& row, BodyReceiver* bodies) {
  if (reader.at_literal()) return reader.skip_value();  // a second value of an unknown item
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
    return uid_item(reader, row);
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
  if (reader.peek() != '"') return reader.skip_value();  // NIL: there is no such body
  const auto text = reader.quoted(scratch_);
  BodySink* sink = IMAPFS_TRY(bodies->receive(label, text.size()));
  if (sink == nullptr) return {};
  IMAPFS_TRY(sink->begin(text.size()));
  return text.empty() ? Result<void>{} : give(*sink, text, true);
}

}  // namespace imapfs::imap
