#include "sync/mailbox/message_finder.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/sync/errors.hpp"
#include "sync/mailbox/message_fetch.hpp"

namespace imapfs::sync {
namespace {

/// After this many lookups of absent names a mailbox that was never listed is listed. `mv * ../Archive` looks up every
/// name before it gives it, and each lookup would cost a round trip.
constexpr int most_names_in_vain = 8;

}  // namespace

void MessageFinder::find(const MailboxPointer& mailbox, const std::string& name, Completion<MessageMeta> done) {
  const Lookup lookup{name, dependencies_.names.possible_uids(name), true};
  if (lookup.uids.empty() && !dependencies_.users_give_names) return done(fail(no_such_message()));
  find(mailbox, lookup, std::move(done));
}

void MessageFinder::find(const MailboxPointer& mailbox, Uid uid, Completion<MessageMeta> done) {
  find(mailbox, Lookup{fmt::format("#{}", uid.value), {uid}, false}, std::move(done));
}

std::optional<MessageMeta> MessageFinder::find_known(const MailboxPointer& mailbox, const Lookup& lookup) {
  if (lookup.by_name) return mailbox->replica.messages().find_by_name(lookup.key);
  return mailbox->replica.messages().find(lookup.uids.front());
}

void MessageFinder::find(const MailboxPointer& mailbox, const Lookup& lookup, Completion<MessageMeta> done) {
  if (auto known = find_known(mailbox, lookup)) return done(std::move(*known));
  dependencies_.rows.with_rows(mailbox,
                               [this, mailbox, lookup, done = std::move(done)] { find_loaded(mailbox, lookup, done); });
}

void MessageFinder::find_loaded(const MailboxPointer& mailbox, const Lookup& lookup,
                                const Completion<MessageMeta>& done) {
  if (auto known = find_known(mailbox, lookup)) return done(std::move(*known));
  if (!mailbox->replica.table()->complete()) return find_unlisted(mailbox, lookup, done);
  auto& syncs = dependencies_.syncs;
  if (syncs.is_fresh(mailbox) || !dependencies_.server.online()) return done(fail(no_such_message()));
  // News are on their way into the table and will be announced, so a name that is not in the table does not exist yet.
  // Programs that move messages here look up every name first, and each batch that arrives is news.
  if (lookup.by_name && syncs.was_checked_lately(mailbox)) return done(fail(no_such_message()));
  syncs.freshen(mailbox, [mailbox, lookup, done](const Result<void>&) {
    auto known = find_known(mailbox, lookup);
    if (!known) return done(fail(no_such_message()));
    done(std::move(*known));
  });
}

void MessageFinder::find_unlisted(const MailboxPointer& mailbox, const Lookup& lookup,
                                  const Completion<MessageMeta>& done) {
  const auto& table = mailbox->replica.table();
  const auto exact_to = table->frontier();
  // A name that no template makes can only be a given one; given names are known once UIDVALIDITY is.
  const bool named = lookup.by_name && !table->uids_named(lookup.key).empty();
  const bool below = lookup.uids.empty() ? mailbox->replica.messages().names_known()
                                         : std::all_of(lookup.uids.begin(), lookup.uids.end(),
                                                       [&](Uid uid) { return uid <= exact_to; });
  if (below && !named) return done(fail(no_such_message()));
  if (lookup.by_name && mailbox->names_asked_in_vain >= most_names_in_vain) return list_and_find(mailbox, lookup, done);
  fetch_single(mailbox, lookup, done);
}

void MessageFinder::list_and_find(const MailboxPointer& mailbox, const Lookup& lookup,
                                  const Completion<MessageMeta>& done) {
  dependencies_.syncs.list(mailbox, [mailbox, lookup, done](const Result<void>& result) {
    if (auto known = find_known(mailbox, lookup)) return done(std::move(*known));
    if (!result) return done(fail(result.error()));
    done(fail(no_such_message()));
  });
}

void MessageFinder::fetch_single(const MailboxPointer& mailbox, const Lookup& lookup, Completion<MessageMeta> done) {
  if (!mailbox->lookups.join(lookup.key, std::move(done))) return;
  const auto& wire_name = mailbox->replica.identity().wire_name;
  dependencies_.server.ask<std::optional<MessageMeta>>(
      {.what = fmt::format("look up {} in {}", telemetry::printable(lookup.key, 60),
                           telemetry::printable(wire_name, 60)),
       .mailbox = wire_name},
      [this, mailbox, lookup](imap::Session& session, const CallContext& context) {
        return fetch_candidates(mailbox, lookup, session, context);
      },
      [mailbox, lookup](const Result<std::optional<MessageMeta>>& found) {
        if (found && !*found && lookup.by_name) ++mailbox->names_asked_in_vain;
        for (const auto& waiting : mailbox->lookups.finish(lookup.key)) {
          if (!found) waiting(fail(found.error()));
          else if (*found) waiting(**found);
          else waiting(fail(no_such_message()));
        }
      });
}

Result<std::optional<MessageMeta>> MessageFinder::fetch_candidates(const MailboxPointer& mailbox, const Lookup& lookup,
                                                                   imap::Session& session, const CallContext& context) {
  IMAPFS_TRY(dependencies_.syncs.examine(mailbox, session, context));
  const auto& table = *mailbox->replica.table();
  auto candidates = lookup.by_name ? table.uids_named(lookup.key) : std::vector<Uid>();
  candidates.insert(candidates.end(), lookup.uids.begin(), lookup.uids.end());
  std::optional<MessageMeta> found;
  if (candidates.empty()) return found;
  imap::Session::FetchRequest request;
  request.uids = UidSet::of(candidates);
  request.items = MessageFetch::listing_items(dependencies_.names, session.traits().has("CONDSTORE"));
  IMAPFS_TRY(session.fetch(
      request,
      [&](const imap::FetchRow& row) {
        // Servers may mention other messages; only the requested ones count.
        if (!request.uids.contains(row.uid) || (!row.size && !row.internal_date)) return;
        auto meta = mailbox->replica.messages().take_single(row);
        if (!lookup.by_name) found = std::move(meta);
      },
      context));
  if (lookup.by_name) found = mailbox->replica.messages().find_by_name(lookup.key);
  return found;
}

}  // namespace imapfs::sync
