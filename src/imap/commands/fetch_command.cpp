#include <algorithm>

#include "imap/commands/imap_session.hpp"
#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/header_decode.hpp"

namespace imapfs::imap {
namespace {

bool is_field_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != ':' && c != '(' && c != ')' && c != '"' && c != '\\' && c != '{' && c != ']';
  });
}

Result<std::string> header_fields_item(const std::vector<std::string>& fields) {
  std::string item = "BODY.PEEK[HEADER.FIELDS (";
  for (const auto& field : fields) {
    if (!is_field_name(field)) return fail(EINVAL, "\"{}\" is no header field", telemetry::printable(field));
    if (item.back() != '(') item += ' ';
    item += upper(field);
  }
  return item + ")]";
}

Result<std::string> items_text(const FetchItems& items) {
  std::string text = "(UID";
  if (items.flags) text += " FLAGS";
  if (items.internal_date) text += " INTERNALDATE";
  if (items.size) text += " RFC822.SIZE";
  if (items.modseq) text += " MODSEQ";
  if (!items.header_fields.empty()) text += ' ' + IMAPFS_TRY(header_fields_item(items.header_fields));
  return text + ')';
}

/// Whether a row answers the request, or is news of a flag change that came in between.
bool answers(const FetchRow& row, bool named_listing_item, const Session::FetchRequest& request) {
  if (!request.uids.contains(row.uid)) return false;
  const auto& items = request.items;
  const bool only_news = !items.internal_date && !items.size && items.header_fields.empty();
  return only_news || named_listing_item;
}

constexpr std::string_view content_type = "CONTENT-TYPE";

bool needs_content_type(const FetchItems& items) {
  const auto& fields = items.header_fields;
  return !fields.empty() &&
         std::none_of(fields.begin(), fields.end(), [](const auto& field) { return iequals(field, content_type); });
}

/// The answer, and news of the message's flags meanwhile.
constexpr std::uint64_t most_rows_per_message = 4;
/// More rows for messages that arrive while the command runs, and for servers that count badly.
constexpr std::uint64_t most_rows_beyond = 10'000;

Error endless_answer() {
  return Error{EIO, Scope::session, Retry::never,
               "protocol error: the server sends rows of more messages than there are"};
}

}  // namespace

std::uint64_t ImapSession::most_rows(const UidSet& uids) const {
  const std::uint64_t messages = std::max(selection_.state().messages, connection_->channel.unsolicited().most_exist());
  return std::min(messages, uids.count()) * most_rows_per_message + most_rows_beyond;
}

Result<void> ImapSession::fetch(const FetchRequest& request, const std::function<void(const FetchRow&)>& rows,
                                const CallContext& context) {
  if (request.uids.empty()) return {};
  const bool one_message = request.uids.count() == 1 && !request.changed_since;
  if (!one_message) {
    IMAPFS_TRY(fetch_rows(request, rows, context));
    return {};
  }
  const auto found = with_current_view(context, [&]() -> Result<void> {
    if (IMAPFS_TRY(fetch_rows(request, rows, context)) > 0) return {};
    return fail(ENOENT, Scope::message, Retry::never, "the server has no such message");
  });
  if (!found && found.error().scope != Scope::message) return found;
  return {};
}

Result<std::uint64_t> ImapSession::fetch_rows(const FetchRequest& request,
                                              const std::function<void(const FetchRow&)>& rows,
                                              const CallContext& context) {
  auto line = command("UID FETCH");
  line.word(request.uids.to_string()).word(IMAPFS_TRY(items_text(request.items)));
  if (request.changed_since) {
    const bool vanished = request.vanished && has("QRESYNC");
    line.word(fmt::format("(CHANGEDSINCE {}{})", request.changed_since->value, vanished ? " VANISHED" : ""));
  }
  auto limit = most_rows(request.uids);
  // Header text that is not UTF-8 is read in its message's charset; Content-Type is requested only for such messages.
  const bool asks_again = needs_content_type(request.items);
  UidSet unread;
  std::uint64_t headers = 0;
  std::uint64_t count = 0;
  const auto handler = [&](const Response& response, ResponseReader& reader) -> Result<bool> {
    if (response.is("VANISHED") && request.vanished && reader.peek() == '(') {
      // With (EARLIER) it is the answer. Without, it is news for the listener.
      IMAPFS_TRY(reader.skip_value());
      reader.skip_spaces();
      request.vanished(IMAPFS_TRY(parse_uid_set(reader)));
      return true;
    }
    if (!response.is("FETCH") || !response.number) return false;
    auto row = IMAPFS_TRY(fetch_parser_.parse(reader, nullptr));
    row.sequence = static_cast<std::uint32_t>(std::min<std::uint64_t>(*response.number, UINT32_MAX));
    if (!answers(row, fetch_parser_.named_listing_item(), request)) {
      connection_->channel.unsolicited().deliver_fetch(row);
      return true;
    }
    if (++count > limit) {
      // Messages may have arrived meanwhile.
      limit = most_rows(request.uids);
      if (count > limit) return fail(endless_answer());
    }
    if (asks_again && !mime::is_header_readable(row.header_block)) {
      unread.add(row.uid, row.uid);
      return true;
    }
    if (row.header_block.data() != nullptr) ++headers;
    rows(row);
    return true;
  };
  auto outcome = connection_->runner.run(line, handler, context);
  telemetry::counters().headers_fetched.fetch_add(headers, std::memory_order_relaxed);
  if (!outcome) return fail(std::move(outcome).error());
  if (unread.empty()) return count;
  FetchRequest again{std::move(unread), request.items, {}, {}};
  again.items.header_fields.emplace_back(content_type);
  IMAPFS_TRY(fetch_rows(again, rows, context));
  return count;
}

Result<std::string> ImapSession::fetch_header_fields(Uid uid, const std::vector<std::string>& fields,
                                                     const CallContext& context) {
  FetchRequest request{UidSet::single(uid), {}, {}};
  request.items.header_fields = fields;
  std::optional<std::string> block;
  IMAPFS_TRY(fetch(
      request, [&](const FetchRow& row) { block = std::string(row.header_block); }, context));
  if (!block) return fail(ENOENT, Scope::message, Retry::never, "the server has no message with UID {}", uid.value);
  return std::move(*block);
}

}  // namespace imapfs::imap
