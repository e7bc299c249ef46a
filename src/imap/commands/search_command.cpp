#include "imap/commands/imap_session.hpp"
#include "imap/wire/response_values.hpp"

namespace imapfs::imap {
namespace {

/// Parses (TAG "F7") UID ALL 1:5,7.
Result<void> take_esearch(ResponseReader& reader, UidCollector& found) {
  while (true) {
    reader.skip_spaces();
    if (reader.at_end()) return {};
    if (reader.peek() == '(') {
      IMAPFS_TRY(reader.skip_value());
      continue;
    }
    const auto word = reader.atom();
    if (iequals(word, "UID")) continue;
    reader.skip_spaces();
    if (iequals(word, "ALL")) {
      IMAPFS_TRY(parse_uid_set(reader, found));
    } else {
      IMAPFS_TRY(reader.skip_value());
    }
  }
}

}  // namespace

Result<UidSet> ImapSession::search(const std::string& criteria, const CallContext& context) {
  auto line = command("UID SEARCH");
  if (has("ESEARCH")) line.word("RETURN (ALL)");
  line.word(criteria);
  IMAPFS_TRY(line.check());
  UidCollector found;
  const auto handler = [&](const Response& response, ResponseReader& reader) -> Result<bool> {
    if (response.is("ESEARCH")) {
      IMAPFS_TRY(take_esearch(reader, found));
      return true;
    }
    if (!response.is("SEARCH")) return false;
    IMAPFS_TRY(parse_uid_words(reader, found));
    return true;
  };
  IMAPFS_TRY(connection_->runner.run(line, handler, context));
  return found.take();
}

}  // namespace imapfs::imap
