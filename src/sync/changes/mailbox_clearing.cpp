#include "sync/changes/mailbox_clearing.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include "imapfs/sync/errors.hpp"

namespace imapfs::sync {
namespace {

/// What is accepted at a time.
constexpr std::size_t turn_size = 10'000;

}  // namespace

struct MailboxClearing::Clearing {
  MailboxId mailbox;
  UidValidity validity;
  MailboxPointer trash;
  std::vector<Uid> left;
  std::atomic<std::size_t> waiting{0};
  Guarded<std::optional<Error>> error;
  Completion<void> done;
};

MailboxClearing::MailboxClearing(Dependencies dependencies) : dependencies_(std::move(dependencies)) {}

void MailboxClearing::clear_out(MailboxId mailbox, const UidSet& uids, MailboxPointer trash, Completion<void> done) {
  const auto source = dependencies_.locations.mailbox(mailbox);
  if (!source) return done(fail(no_such_mailbox()));
  const auto clearing = std::make_shared<Clearing>();
  clearing->mailbox = mailbox;
  clearing->validity = source->replica.table()->uid_validity();
  clearing->trash = std::move(trash);
  clearing->done = std::move(done);
  for (const auto& range : uids.ranges())
    for (std::uint64_t uid = range.first; uid <= range.last; ++uid)
      clearing->left.push_back(Uid{static_cast<std::uint32_t>(uid)});
  clear_out_next(clearing);
}

void MailboxClearing::clear_out_next(const std::shared_ptr<Clearing>& clearing) {
  if (auto error = *clearing->error.lock()) return clearing->done(fail(std::move(*error)));
  if (clearing->left.empty()) return clearing->done({});
  const auto count = std::min(turn_size, clearing->left.size());
  const std::vector<Uid> turn(clearing->left.end() - static_cast<std::ptrdiff_t>(count), clearing->left.end());
  clearing->left.resize(clearing->left.size() - count);
  // One more, so that the turn does not end before all were submitted.
  clearing->waiting = count + 1;
  for (const Uid uid : turn) clear_out_one(clearing, uid);
  if (--clearing->waiting == 0) clear_out_next(clearing);
}

Completion<Arrival> MailboxClearing::ended(const std::shared_ptr<Clearing>& clearing) {
  return [this, clearing](const Result<Arrival>& finished) {
    if (!finished) {
      auto first = clearing->error.lock();
      if (!*first) *first = finished.error();
    }
    if (--clearing->waiting == 0) clear_out_next(clearing);
  };
}

void MailboxClearing::clear_out_one(const std::shared_ptr<Clearing>& clearing, Uid uid) {
  const ChangeSource source{{clearing->mailbox, clearing->validity, uid}, {}};
  if (clearing->trash) return move_to_trash(clearing, source);
  ChangeReply reply;
  reply.finished = ended(clearing);
  reply.accepted = [failed = reply.finished](const Result<ChangeId>& accepted) {
    if (!accepted) failed(fail(accepted.error()));
  };
  dependencies_.acceptor.submit({ChangeRequestKind::expunge, source, {}, std::move(reply)});
}

/// In the trash it is a message like any other, so it loses its flag. Without UIDPLUS nobody knows for sure which it is
/// there.
void MailboxClearing::move_to_trash(const std::shared_ptr<Clearing>& clearing, const ChangeSource& source) {
  const bool unflag = dependencies_.capabilities().has("UIDPLUS");
  const bool write_behind = dependencies_.write_behind;
  const auto restore = [this](const ChangeSource& moved) {
    dependencies_.acceptor.restore(moved, {}, {[](const auto&) {}, {}});
  };
  ChangeReply reply;
  reply.accepted = [restore, unflag, write_behind, failed = ended(clearing)](const Result<ChangeId>& accepted) {
    if (!accepted) return failed(fail(accepted.error()));
    if (unflag && write_behind) restore({{}, *accepted});
  };
  reply.finished = [restore, unflag, write_behind, ended = ended(clearing)](const Result<Arrival>& finished) {
    if (finished && unflag && !write_behind) restore({finished->message, {}});
    ended(finished);
  };
  ArrivalTarget target;
  target.mailbox = clearing->trash->replica.identity().id;
  dependencies_.acceptor.submit({ChangeRequestKind::move, source, target, std::move(reply)});
}

}  // namespace imapfs::sync
