#include <limits>

#include "imap/commands/change_support.hpp"
#include "imap/commands/imap_session.hpp"
#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

constexpr std::uint64_t small_set = 2000;  // Quirk::small_fetch_sets

std::string_view item_of(FlagChange::Kind kind) {
  switch (kind) {
    case FlagChange::Kind::add: return "+FLAGS.SILENT";
    case FlagChange::Kind::remove: return "-FLAGS.SILENT";
    case FlagChange::Kind::replace: break;
  }
  return "FLAGS.SILENT";
}

/// Whether a flag that the server has named can be sent: Gmail has some with ']', others begin with a backslash.
bool can_be_sent_back(std::string keyword) {
  if (keyword.starts_with('\\')) keyword.erase(0, 1);
  std::erase(keyword, ']');
  return is_atom(keyword);
}

/// Every flag must be permanent in this mailbox.
Result<void> check_flags(const FlagSet& flags, const SelectedMailbox& mailbox) {
  const auto forbidden = static_cast<unsigned>(flags.system()) &
                         ~static_cast<unsigned>(mailbox.permanent_flags.system());
  if ((forbidden & ~static_cast<unsigned>(SystemFlag::recent)) != 0) {
    return fail(EPERM, "the server does not keep all of {} in this mailbox", flags.to_string());
  }
  for (const auto& keyword : flags.keywords()) {
    if (mailbox.permanent_flags.has(keyword) && can_be_sent_back(keyword)) continue;
    const bool the_servers = keyword.starts_with('\\');  // RFC 9051 §2.3.2: clients may not define these
    if (!is_atom(keyword) && !the_servers) {
      return fail(EINVAL, "\"{}\" is no keyword", telemetry::printable(keyword, 80));
    }
    if (!mailbox.may_create_keywords || the_servers) {
      return fail(EPERM, "the server does not keep {} in this mailbox", telemetry::printable(keyword, 80));
    }
  }
  return {};
}

}  // namespace

Result<void> ImapSession::look_as_far_as(const UidSet& uids, const CallContext& context) {
  const Uid highest{uids.ranges().back().last};
  if (selection_.view_reaches(highest)) return {};
  if (auto renewed = noop(context); !renewed) return fail(not_again_by_itself(std::move(renewed).error()));
  selection_.view_was_renewed(highest);
  return {};
}

Result<Answer> ImapSession::run_change(const CommandLine& line, const UntaggedHandler& handler,
                                       const CallContext& context) {
  auto& channel = connection_->channel;
  if (auto usable = channel.usable(); !usable) return fail(not_again_by_itself(std::move(usable).error()));
  const ChangeUnderWay under_way(channel.transport());
  auto answer = connection_->runner.run(line, bounded_news(handler, selection_.state().messages), context);
  if (answer) return answer;
  return fail(outcome_of_change(std::move(answer).error(), line.name()));
}

Result<void> ImapSession::change_in_parts(const UidSet& uids, Effect effect, const CallContext& context,
                                          const std::function<Result<void>(const UidSet&)>& part) {
  IMAPFS_TRY(selection_.may_change(effect));
  if (uids.empty()) return {};
  IMAPFS_TRY(look_as_far_as(uids, context));
  IMAPFS_TRY(selection_.may_change(effect));  // the NOOP may have brought the news that it is read-only now
  const auto most = login_.traits.has(Quirk::small_fetch_sets) ? small_set : std::numeric_limits<std::uint64_t>::max();
  const auto parts = split_uid_set(uids, longest_uid_set, most);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto done = part(parts[i]);
    if (done) continue;
    auto error = std::move(done).error();
    if (i == 0) return fail(std::move(error));
    // Cancelled between two commands: nothing of this one was sent, but the earlier ones were carried out.
    if (error.errnum == EINTR || error.errnum == ETIMEDOUT) {
      error.scope = Scope::session;
      error = connection_->channel.broken_by(not_again_by_itself(std::move(error)));
    }
    return fail(std::move(error).while_doing(
        fmt::format("command {} of {}, those before were carried out", i + 1, parts.size())));
  }
  return {};
}

Result<void> ImapSession::store_flags(const UidSet& uids, const FlagChange& change, const CallContext& context) {
  IMAPFS_TRY(selection_.may_change(Effect::here));
  IMAPFS_TRY(check_flags(change.flags, selection_.state()));
  const auto flags = change.flags.to_string();
  if (flags.empty() && change.kind != FlagChange::Kind::replace) return {};
  return change_in_parts(uids, Effect::here, context, [&](const UidSet& part) -> Result<void> {
    auto line = command("UID STORE");
    line.word(part.to_string()).word(item_of(change.kind)).word('(' + flags + ')');
    IMAPFS_TRY(run_change(line, nullptr, context));
    return {};
  });
}

Result<void> ImapSession::expunge(const UidSet& uids, const CallContext& context) {
  if (!has("UIDPLUS")) {
    return fail(EOPNOTSUPP, "the server has no UIDPLUS: EXPUNGE would remove what others have flagged as well");
  }
  return change_in_parts(uids, Effect::here, context, [&](const UidSet& part) -> Result<void> {
    auto line = command("UID EXPUNGE");
    line.word(part.to_string());
    IMAPFS_TRY(run_change(line, nullptr, context));
    return {};
  });
}

}  // namespace imapfs::imap
