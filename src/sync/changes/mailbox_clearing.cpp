// Messages that leave a mailbox with it: each by a change of its own, so that a lost answer is looked up and a crash
// takes nothing back.

#include <algorithm>

#include "imapfs/sync/errors.hpp"
#include "sync/changes/changes.hpp"

namespace imapfs::sync {
namespace {

/// What is accepted at a time: others must find room in the ledger, too.
constexpr std::size_t turn_size = 10'000;

}  // namespace

struct Changes::Clearing {
  MailboxId mailbox;
  UidValidity validity;
  MailboxPointer trash;
  std::vector<Uid> left;
  std::atomic<std::size_t> waiting{0};
  Guarded<std::optional<Error>> error;
  Completion<void> done;
};

void Changes::clear_out(MailboxId mailbox, const UidSet& uids, MailboxPointer trash, Completion<void> done) {
  const auto source = dependencies_.mailbox(mailbox);
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

void Changes::clear_out_next(const std::shared_ptr<Clearing>& clearing) {
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

void Changes::clear_out_one(const std::shared_ptr<Clearing>& clearing, Uid uid) {
  const auto ended = [this, clearing](const Error* error) {
    if (error != nullptr) {
      auto first = clearing->error.lock();
      if (!*first) *first = *error;
    }
    if (--clearing->waiting == 0) clear_out_next(clearing);
  };
  const bool moves = clearing->trash != nullptr;
  // In the trash it is a message like any other. Without UIDPLUS nobody knows for sure which it is there.
  const bool unflag = moves && dependencies_.capabilities().has("UIDPLUS");
  const bool write_behind = dependencies_.settings.write_behind;
  ChangeReply reply;
  reply.accepted = [this, unflag, write_behind, ended](const Result<ChangeId>& accepted) {
    if (!accepted) return ended(&accepted.error());
    if (unflag && write_behind) restore_message(ChangeSource{{}, *accepted}, {}, {[](const auto&) {}, {}});
  };
  reply.finished = [this, unflag, write_behind, ended](const Result<Arrival>& finished) {
    if (finished && unflag && !write_behind)
      restore_message(ChangeSource{finished->message, {}}, {}, {[](const auto&) {}, {}});
    ended(finished ? nullptr : &finished.error());
  };
  const ChangeSource source{{clearing->mailbox, clearing->validity, uid}, {}};
  if (!moves) return expunge_message(source, std::move(reply));
  ArrivalTarget target;
  target.mailbox = clearing->trash->replica.identity().id;
  move_message(source, target, std::move(reply));
}

}  // namespace imapfs::sync
