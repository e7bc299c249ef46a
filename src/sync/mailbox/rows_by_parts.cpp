#include "sync/mailbox/rows_by_parts.hpp"

#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/mailbox/sync_plan.hpp"

namespace imapfs::sync {
namespace {

/// With this many refusals the problem is not a single message: halving the largest set down to one message takes fewer
/// in a row.
constexpr std::uint64_t most_refused_in_a_row = 24;
constexpr std::uint64_t most_refused = 400;
/// Connections are lost for many reasons: suspect the requested set only at the second loss.
constexpr int losses_of_bad_luck = 1;

}  // namespace

Result<void> RowsByParts::run(const UidSet& wanted, const Work& work) {
  begin(wanted);
  while (!parts_.empty()) {
    if (parts_.back().broken) {
      IMAPFS_TRY(narrow(work));
      continue;
    }
    got_ = {};
    const auto part = parts_.back();
    const auto fetched = work.fetch(part.uids, part.items);
    if (fetched) {
      parts_.pop_back();
      refused_in_a_row_ = 0;
      continue;
    }
    if (fetched.error().lost_connection()) {
      if (fetched.error().errnum != EINTR) note_loss();
      return fetched;
    }
    if (!may_be_a_message(fetched.error())) return fetched;
    parts_.back().broken = true;
  }
  return {};
}

/// If the same set is requested again after a lost session, continues with its remaining parts.
void RowsByParts::begin(const UidSet& wanted) {
  if (!parts_.empty() && wanted == wanted_) return;
  wanted_ = wanted;
  parts_.clear();
  const auto rest = left_out_.empty() ? wanted : subtract(wanted, left_out_);
  if (!rest.empty()) parts_.push_back({rest});
}

bool RowsByParts::may_be_a_message(const Error& error) {
  if (error.errnum == EINTR || error.errnum == ETIMEDOUT || error.errnum == EINVAL) return false;
  return ++refused_ < most_refused && ++refused_in_a_row_ < most_refused_in_a_row;
}

void RowsByParts::note_loss() {
  auto& part = parts_.back();
  // If rows came, suspect the first that did not.
  part.broken = !got_.empty() || ++part.losses > losses_of_bad_luck;
}

Result<void> RowsByParts::narrow(const Work& work) {
  const bool one = parts_.back().uids.count() == 1;
  auto missing = one ? parts_.back().uids : common(parts_.back().uids, IMAPFS_TRY(work.all_uids()));
  if (!one) missing = subtract(missing, got_);
  const auto part = std::exchange(parts_.back(), {});
  parts_.pop_back();
  if (missing.count() == 1) ask_less(part, Uid{missing.ranges().front().first});
  else divide(missing);
  got_ = {};
  return {};
}

void RowsByParts::ask_less(Part part, Uid uid) {
  const bool was_alone = part.uids.count() == 1;
  part.uids = UidSet::single(uid);
  part.losses = 0;
  part.broken = false;
  if (was_alone && part.items == Items::flags) {
    telemetry::warning("the server cannot list message {}: it is left out", uid.value);
    left_out_.add(uid, uid);
    return;
  }
  if (was_alone) {
    const bool first = part.items == Items::all;
    if (first) telemetry::warning("the server cannot list message {}: it is asked for less of it", uid.value);
    part.items = first ? Items::no_header : Items::flags;
  }
  parts_.push_back(part);
}

void RowsByParts::divide(const UidSet& missing) {
  if (missing.empty()) return;
  auto rest = missing;
  // Rows come in order: the session may have failed at the first that did not come.
  const auto first = take_first(rest, got_.empty() ? (missing.count() + 1) / 2 : 1);
  parts_.push_back({rest});
  parts_.push_back({first});
}

}  // namespace imapfs::sync
