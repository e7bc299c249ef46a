#include "sync/mailbox/message_fetch.hpp"

#include <algorithm>
#include <utility>

namespace imapfs::sync {

MessageFetch::MessageFetch(MailboxReplica& replica, Settings settings) : replica_(replica), settings_(settings) {}

imap::FetchItems MessageFetch::listing_items(const mime::NameTemplate& names, bool condstore) {
  imap::FetchItems items;
  items.flags = items.internal_date = items.size = true;
  items.modseq = condstore;
  if (names.needs_headers()) items.header_fields = {"DATE", "FROM", "SUBJECT", "MESSAGE-ID"};
  if (names.uses_to()) items.header_fields.emplace_back("TO");
  return items;
}

bool MessageFetch::has_condstore(const imap::Session& session) {
  return session.traits().has("CONDSTORE") || session.traits().has("QRESYNC");
}

tl::unexpected<Error> MessageFetch::shows_none(const imap::Session& session) {
  return fail(EIO, Scope::mailbox, Retry::later, "the server says it has {} messages and shows none", counted(session));
}

CallContext MessageFetch::bounded(const CallContext& context, SteadyClock::duration patience) {
  return {context.stop, std::min(context.deadline, SteadyClock::now() + patience)};
}

std::uint64_t MessageFetch::chunk_size(const imap::Session& session) const {
  return session.traits().has(imap::Quirk::small_fetch_sets) ? settings_.messages_per_small_command : chunk_size_;
}

void MessageFetch::adapt_chunk_size(std::uint64_t asked, SteadyClock::duration taken) {
  constexpr std::uint64_t most_growth = 10;
  const auto least = settings_.messages_per_command;
  const auto growth = static_cast<double>(settings_.long_command.count()) /
                      static_cast<double>(std::max<std::int64_t>(taken.count(), 1));
  const auto wanted = std::min(static_cast<double>(asked) * growth, static_cast<double>(least * most_growth));
  chunk_size_ = std::max(least, static_cast<std::uint64_t>(wanted));
}

void MessageFetch::selected(std::optional<Uid> uid_next) {
  uid_next_ = uid_next;
  newer_than_select_ = 0;
}

Result<void> MessageFetch::fetch_rows(imap::Session& session, const CallContext& context, const UidSet& uids,
                                      ListingOrder* order) {
  std::uint64_t rows = 0;
  std::uint64_t next_wake = settings_.first_wake_rows;
  auto wake_time = SteadyClock::now() + settings_.wake_after;
  const auto take = [&](const imap::FetchRow& row) {
    const bool in_order = order != nullptr && order->take(row.uid, row.sequence);
    const bool known = replica_.table()->size() > 0 && replica_.table()->find(row.uid).has_value();
    replica_.take_row(row, order != nullptr, in_order);
    if (!known && uid_next_ && row.uid >= *uid_next_) ++newer_than_select_;
    replica_.news().publish_when_large();
    if (++rows < next_wake && SteadyClock::now() < wake_time) return;
    next_wake = rows + settings_.wake_rows;
    wake_time = SteadyClock::now() + settings_.wake_after;
    replica_.gate().wake(*replica_.table());
  };
  const RowsByParts::Work work{
      [&](const UidSet& part, RowsByParts::Items items) { return fetch_items(session, context, part, items, take); },
      [&] { return all_uids(session, context); }};
  return rows_.run(uids, work);
}

Result<void> MessageFetch::fetch_missing(imap::Session& session, const CallContext& context, UidSet missing,
                                         ListingOrder* order) {
  while (!missing.empty()) {
    const auto chunk = take_first(missing, chunk_size(session));
    IMAPFS_TRY(fetch_rows(session, context, chunk, order));
    const auto without_row = subtract(subtract(chunk, replica_.table()->uids()), left_out());
    if (without_row.empty()) continue;
    const auto take = [&](const imap::FetchRow& row) { replica_.take_row(row, order != nullptr, false); };
    IMAPFS_TRY(fetch_items(session, context, without_row, RowsByParts::Items::no_header, take));
  }
  return {};
}

Result<void> MessageFetch::fetch_items(imap::Session& session, const CallContext& context, const UidSet& uids,
                                       RowsByParts::Items items,
                                       const std::function<void(const imap::FetchRow&)>& take) {
  imap::Session::FetchRequest request;
  request.uids = uids;
  request.items = listing_items(replica_.names(), has_condstore(session));
  if (items != RowsByParts::Items::all) request.items.header_fields.clear();
  if (items == RowsByParts::Items::flags) request.items.internal_date = request.items.size = false;
  const auto note = [&](const imap::FetchRow& row) {
    rows_.arrived(row.uid);
    if (items != RowsByParts::Items::flags) return take(row);
    auto bare = row;
    bare.size = bare.size.value_or(0);
    take(bare);
  };
  IMAPFS_TRY_WHILE("fetch headers", session.fetch(request, note, bounded(context, settings_.fetch_timeout)));
  return {};
}

Result<void> MessageFetch::fetch_flags(imap::Session& session, const CallContext& context, std::optional<ModSeq> since,
                                       UidSet* seen) {
  imap::Session::FetchRequest request;
  request.items.flags = true;
  request.items.modseq = has_condstore(session);
  request.changed_since = since;
  const auto take = [&](const imap::FetchRow& row) {
    if (seen != nullptr && row.uid.value != 0) seen->add(row.uid, row.uid);
    replica_.take_flags(row);
    replica_.news().publish_when_large();
  };
  const bool in_chunks = session.traits().has(imap::Quirk::small_fetch_sets) &&
                         replica_.table()->size() > chunk_size(session);
  auto left = in_chunks ? IMAPFS_TRY(all_uids(session, context)) : UidSet::range(Uid{1}, highest_uid);
  while (!left.empty()) {
    request.uids = in_chunks ? take_first(left, chunk_size(session)) : std::exchange(left, {});
    IMAPFS_TRY_WHILE("fetch flags", session.fetch(request, take, bounded(context, settings_.fetch_timeout)));
  }
  return {};
}

Result<UidSet> MessageFetch::all_uids(imap::Session& session, const CallContext& context) {
  auto uids = IMAPFS_TRY_WHILE("search all", session.search("ALL", bounded(context, settings_.fetch_timeout)));
  if (uids.empty() && counted(session) > 0 && replica_.table()->size() == 0) return shows_none(session);
  return uids;
}

Result<std::vector<Uid>> MessageFetch::present_in(imap::Session& session, const CallContext& context,
                                                  const UidSet& uids) {
  std::vector<Uid> present;
  imap::Session::FetchRequest request;
  request.items.flags = true;
  request.uids = uids;
  const auto take = [&](const imap::FetchRow& row) { present.push_back(row.uid); };
  const auto asked = session.fetch(request, take, bounded(context, settings_.fetch_timeout));
  if (asked) return present;
  // Some servers refuse a FETCH in an empty mailbox; SEARCH always works.
  const auto& refusal = asked.error();
  const bool may_be_empty = counted(session) == 0 && !refusal.may_pass();
  if (may_be_empty && IMAPFS_TRY(session.search("ALL", bounded(context, settings_.command_timeout))).empty())
    return std::vector<Uid>();
  return fail(Error(refusal).while_doing("ask for missing messages"));
}

}  // namespace imapfs::sync
