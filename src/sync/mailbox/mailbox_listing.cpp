#include "sync/mailbox/mailbox_listing.hpp"

#include <algorithm>
#include <utility>

namespace imapfs::sync {
namespace {

Uid after(Uid uid) { return Uid{uid.value == UINT32_MAX ? UINT32_MAX : uid.value + 1}; }

}  // namespace

void MailboxListing::begin_order() { order_.begin(replica_.record().listed_up_to().value == 0); }

void MailboxListing::begin(const imap::SelectedMailbox& selected) {
  const auto modseq = selected.highest_modseq.value_or(ModSeq{});
  const bool unchanged = modseq.value != 0 && modseq_ == modseq;
  resumed_ = resumed_ || (replica_.table()->size() > 0 && !unchanged);
  modseq_ = modseq;
}

Result<MailboxListing::Chunk> MailboxListing::next_chunk(imap::Session& session, const CallContext& context,
                                                         const imap::SelectedMailbox& selected) {
  const auto limit = fetch_.chunk_size(session);
  const auto first = after(replica_.record().listed_up_to());
  if (selected.messages <= limit) return Chunk{UidSet::range(first, highest_uid), true};
  const auto end = selected.uid_next.value_or(Uid{}).value;
  const bool dense = end > 1 && end - 1 <= std::uint64_t{selected.messages} * 4;
  if (!to_list_ && dense) {
    const auto chunk_end = std::min<std::uint64_t>(first.value + limit - 1, UINT32_MAX);
    const bool last = chunk_end + 1 >= end;
    return Chunk{UidSet::range(first, last ? highest_uid : Uid{static_cast<std::uint32_t>(chunk_end)}), last};
  }
  if (!to_list_) {
    to_list_ = IMAPFS_TRY(fetch_.all_uids(session, context));
    if (first.value > 1) to_list_ = subtract(*to_list_, UidSet::range(Uid{1}, replica_.record().listed_up_to()));
  }
  Chunk chunk{take_first(*to_list_, limit), to_list_->empty()};
  const Uid chunk_end = chunk.uids.empty() ? first : after(Uid{chunk.uids.ranges().back().last});
  if (chunk.last) chunk.uids.add(chunk_end, highest_uid);
  return chunk;
}

Result<bool> MailboxListing::fetch_next(imap::Session& session, const CallContext& context,
                                        const imap::SelectedMailbox& selected) {
  if (selected.messages == 0 && replica_.table()->size() == 0) return false;
  const auto chunk = IMAPFS_TRY(next_chunk(session, context, selected));
  auto fetched = fetch_chunk(session, context, chunk);
  if (!fetched) {
    // Messages that were taken from the list but not fetched must be asked for again.
    to_list_.reset();
    return fail(std::move(fetched).error());
  }
  const Uid end{chunk.last ? replica_.table()->frontier().value : chunk.uids.ranges().back().last};
  replica_.record().listing_reached(chunk.last ? std::max(end, replica_.record().listed_up_to()) : end, *modseq_);
  replica_.gate().wake(*replica_.table());
  return !chunk.last;
}

Result<void> MailboxListing::fetch_chunk(imap::Session& session, const CallContext& context, const Chunk& chunk) {
  const auto begin = SteadyClock::now();
  order_.begin_chunk();
  IMAPFS_TRY(fetch_.fetch_rows(session, context, chunk.uids, &order_));
  fetch_.adapt_chunk_size(chunk.uids.count(), SteadyClock::now() - begin);
  const auto counted = MessageFetch::counted(session);
  const bool whole = order_.end_chunk() && !(chunk.last && replica_.table()->size() < counted);
  if (whole || counted == 0) return {};
  const auto present = UidSet::of(IMAPFS_TRY(fetch_.present_in(session, context, chunk.uids)));
  const auto missing = subtract(subtract(present, replica_.table()->uids()), fetch_.left_out());
  return fetch_.fetch_missing(session, context, missing, &order_);
}

}  // namespace imapfs::sync
