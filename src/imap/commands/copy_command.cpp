#include <utility>

#include "imap/commands/change_support.hpp"
#include "imap/commands/imap_session.hpp"
#include "imap/wire/response_values.hpp"

namespace imapfs::imap {
namespace {

constexpr std::string_view copy_name = "UID COPY";

/// Merges what the server told of all parts; nothing if it told nothing of one of them.
class MergedParts {
 public:
  void add(std::optional<CopiedMessages> part) {
    if (!part || (merged_.uid_validity && merged_.uid_validity != part->uid_validity)) {
      untold_ = true;
      return;
    }
    merged_.uid_validity = part->uid_validity;
    merged_.uids.insert(merged_.uids.end(), part->uids.begin(), part->uids.end());
  }
  [[nodiscard]] CopiedMessages result() { return untold_ ? CopiedMessages() : std::move(merged_); }

 private:
  CopiedMessages merged_;
  bool untold_ = false;
};

}  // namespace

Result<CopiedMessages> ImapSession::copy_or_move(std::string_view name, const UidSet& uids, const WireName& destination,
                                                 const CallContext& context) {
  // Copying out of a read-only mailbox changes nothing there.
  const auto effect = name == copy_name ? Effect::elsewhere : Effect::here;
  MergedParts merged;
  IMAPFS_TRY(change_in_parts(uids, effect, context, [&](const UidSet& part) -> Result<void> {
    auto line = command(name);
    line.word(part.to_string()).string(on_wire(destination));
    CopyUidCollector collector(part);
    const auto handler = [&](const Response& response, ResponseReader& reader) -> Result<bool> {
      if (!response.is("OK")) return false;
      // RFC 6851 §4.3: MOVE sends it untagged, before the EXPUNGEs; some servers do so for COPY.
      const auto untagged = parse_status_text(Answer::Kind::ok, reader.rest());
      if (untagged.code != "COPYUID") return false;
      collector.take(untagged.code_data);
      return true;
    };
    const auto answer = IMAPFS_TRY(run_change(line, handler, context));
    if (answer.code == "COPYUID") collector.take(answer.code_data);
    merged.add(collector.result());
    return {};
  }));
  return merged.result();
}

Result<CopiedMessages> ImapSession::copy(const UidSet& uids, const WireName& destination, const CallContext& context) {
  return copy_or_move(copy_name, uids, destination, context);
}

Result<CopiedMessages> ImapSession::move(const UidSet& uids, const WireName& destination, const CallContext& context) {
  if (!has("MOVE")) return fail(EOPNOTSUPP, "the server has no MOVE");
  return copy_or_move("UID MOVE", uids, destination, context);
}

}  // namespace imapfs::imap
