#include "sync/changes/given_names.hpp"

#include <algorithm>
#include <utility>

namespace imapfs::sync {

GivenNames::GivenNames(Dependencies dependencies) : dependencies_(std::move(dependencies)) {}

void GivenNames::give(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                      Completion<void> done) {
  ChangeRequest removal{ChangeRequestKind::remove, {replaces, {}}, {}, {}};
  if (replaces.uid.value != 0)
    if (auto allowed = dependencies_.rights.check(removal); !allowed) return done(fail(std::move(allowed).error()));
  removal.reply.accepted = [done](const Result<ChangeId>& accepted) {
    if (!accepted) return done(fail(accepted.error()));
    done({});
  };
  dependencies_.thread.post(
      [this, message, name, removal = std::move(removal)] { give_when_restored(message, name, removal); });
}

bool GivenNames::is_being_restored(const MessageLocation& message) {
  const auto place = dependencies_.locations.to_journal(message);
  return dependencies_.table.with_lock([&](ChangeTable& table) {
    const auto changes = table.queue.changes_of(place);
    return std::any_of(changes.begin(), changes.end(), [](const auto* change) { return is_restore(*change); });
  });
}

void GivenNames::give_when_restored(const MessageLocation& message, const std::string& name,
                                    const ChangeRequest& removal) {
  if (!is_being_restored(message)) return give_now(message, name, removal);
  // At its end a restoration gives the name it was accepted with.
  dependencies_.waiters.after(message, [this, message, name, removal](const Result<void>& ended) {
    if (!ended) return removal.reply.accepted(fail(ended.error()));
    dependencies_.thread.post([this, message, name, removal] { give_now(message, name, removal); });
  });
}

void GivenNames::give_now(const MessageLocation& message, const std::string& name, const ChangeRequest& removal) {
  const auto mailbox = dependencies_.locations.mailbox(message.mailbox);
  const auto& answer = removal.reply.accepted;
  if (!mailbox || mailbox->replica.table()->uid_validity() != message.uid_validity)
    return answer(fail(ESTALE, Scope::message, Retry::never, "the message is not there any more"));
  // The name first: at no moment is there neither the old message nor the new one.
  const auto named = dependencies_.journal.set_local_name(dependencies_.locations.to_journal(message), name);
  if (!named) return answer(fail(named.error()));
  const auto& replaces = removal.source.message;
  mailbox->replica.own_changes().set_local_name(message.uid, name,
                                                replaces.mailbox == message.mailbox ? replaces.uid : Uid{});
  mailbox->replica.news().publish();
  if (replaces.uid.value == 0) return answer(ChangeId{});
  dependencies_.acceptor.accept({removal});
}

}  // namespace imapfs::sync
