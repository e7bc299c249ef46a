#include "app/writing_check.hpp"

#include "app/option_values.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::app {
namespace {

using sync::RemovalPolicy;

std::string describe_move(const imap::ServerTraits& traits) {
  if (traits.has("MOVE")) return "UID MOVE";
  if (traits.has("UIDPLUS")) return "UID COPY, then the original is flagged \\Deleted and expunged (no MOVE)";
  return "UID COPY, then the original is flagged \\Deleted (no MOVE, no UIDPLUS)";
}

std::string describe_flagging(const imap::ServerTraits& traits) {
  return traits.has("UIDPLUS") ? "flags \\Deleted: the file moves to .deleted, and rm there expunges it"
                               : "flags \\Deleted: the file moves to .deleted (nothing can be expunged, no UIDPLUS)";
}

std::string describe_removal(const imap::ServerTraits& traits, const std::string& trash, RemovalPolicy policy) {
  if (policy == RemovalPolicy::automatic)
    policy = traits.has("X-GM-EXT-1") ? RemovalPolicy::trash : RemovalPolicy::flag;
  switch (policy) {
    case RemovalPolicy::trash:
      if (!trash.empty()) return fmt::format("moves to {}", trash);
      return describe_flagging(traits) + " (no mailbox is marked \\Trash)";
    case RemovalPolicy::expunge:
      return traits.has("UIDPLUS") ? "expunges at once" : "refused: without UIDPLUS nothing can be expunged";
    default: return describe_flagging(traits);
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> describe_writing(const imap::ServerTraits& traits,
                                                                  const WritingFacts& facts, RemovalPolicy policy) {
  const auto limit = imap::append_limit(traits.capabilities);
  const auto largest = limit ? fmt::format("at most {} octets (APPENDLIMIT)", *limit)
                             : "no limit told (no APPENDLIMIT)";
  return {
      {"new message", largest},
      {"mv", describe_move(traits)},
      {"rm", fmt::format("on-delete={} {}", to_string(policy), describe_removal(traits, facts.trash, policy))},
      {"rights", facts.rights ? fmt::format("{} in INBOX", *facts.rights) : "not told (no ACL)"},
  };
}

}  // namespace imapfs::app
