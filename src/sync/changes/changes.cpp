#include "sync/changes/changes.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/pending_arrivals.hpp"

namespace imapfs::sync {
namespace {

using Kind = store::JournalChange::Kind;

/// Whether a command of an earlier process may have carried it out. STORE and EXPUNGE are simply repeated.
bool needs_look_up(const store::JournalChange& change) {
  const bool brings = change.kind == Kind::move || change.kind == Kind::copy;
  return (change.sent && brings) || change.kind == Kind::append;
}

PendingChange taken_up(store::JournalChange change, const Locations& locations) {
  PendingChange pending;
  pending.change = std::move(change);
  pending.look_up = needs_look_up(pending.change);
  pending.accepted_at = std::time(nullptr);
  locations.describe(pending);
  const auto destination = locations.mailbox(pending.change.destination);
  if (destination && pending.look_up) pending.guard = std::make_shared<ArrivalGuard>(destination);
  return pending;
}

}  // namespace

Changes::Changes(Dependencies dependencies)
    : dependencies_(std::move(dependencies)), thread_([this] { acceptor_.accept_submitted(); }),
      locations_(dependencies_.mailbox, dependencies_.mailbox_by_name),
      removals_(dependencies_.settings.removal, dependencies_.tree, dependencies_.capabilities),
      commands_{dependencies_.journal, dependencies_.settings.timeout, own_arrivals_, dependencies_.list_anew},
      rights_({locations_, removals_, table_, dependencies_.online, dependencies_.capabilities}),
      effects_(locations_, table_, own_removals_), timer_(thread_, dependencies_.later, [this] { runner_.dispatch(); }),
      waiters_({thread_, table_, timer_, locations_, dependencies_.online}),
      refusals_({dependencies_.listener, locations_, waiters_, dependencies_.ask_rights}),
      publisher_({thread_, table_, locations_, effects_, waiters_, dependencies_.bring_in_step}),
      recorder_({dependencies_.journal, thread_, timer_, dependencies_.later, table_, own_arrivals_, locations_,
                 removals_, effects_, waiters_, publisher_, refusals_, [this] { appends_.resume_twins(); }}),
      runner_({thread_, timer_, table_, locations_, waiters_, recorder_, dependencies_.journal, commands_,
               dependencies_.submit, dependencies_.with_rows, dependencies_.settings.write_behind}),
      acceptor_({thread_, table_, dependencies_.journal, locations_, removals_, rights_, effects_, own_arrivals_,
                 own_removals_, waiters_, runner_, dependencies_.tree, dependencies_.settings.write_behind}),
      names_({thread_, table_, dependencies_.journal, locations_, rights_, waiters_, acceptor_}),
      clearing_({locations_, acceptor_, dependencies_.capabilities, dependencies_.settings.write_behind}),
      appends_({thread_, table_, dependencies_.journal, locations_, removals_, rights_, effects_, waiters_, recorder_,
                acceptor_, commands_, dependencies_.submit, dependencies_.later, dependencies_.settings.timeout}) {}

Changes::~Changes() { close(); }

Result<void> Changes::start() {
  auto changes = IMAPFS_TRY_WHILE("read the journal", dependencies_.journal.changes());
  if (!changes.empty()) telemetry::info("{} changes of an earlier run are still to be carried out", changes.size());
  std::vector<PendingChange> pending;
  for (auto& change : changes) pending.push_back(taken_up(std::move(change), locations_));
  std::vector<store::JournalChange> effects;
  for (const auto& change : pending) effects.push_back(change.change);
  effects_.show(effects);
  auto table = table_.lock();
  for (auto& change : pending) table->queue.add(std::move(change));
  return {};
}

void Changes::close() {
  thread_.close();
  // What keeps rows back ends with these, while the mailboxes are still there.
  recorder_.close();
  appends_.close();
  acceptor_.close();
  waiters_.close();
}

// -- as in Account --

void Changes::copy_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) {
  acceptor_.submit({ChangeRequestKind::copy, source, target, std::move(reply)});
}

void Changes::move_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) {
  acceptor_.submit({ChangeRequestKind::move, source, target, std::move(reply)});
}

void Changes::remove_message(const ChangeSource& source, ChangeReply reply) {
  acceptor_.submit({ChangeRequestKind::remove, source, {}, std::move(reply)});
}

void Changes::expunge_message(const ChangeSource& source, ChangeReply reply) {
  acceptor_.submit({ChangeRequestKind::expunge, source, {}, std::move(reply)});
}

void Changes::restore_message(const ChangeSource& source, const std::string& file_name, ChangeReply reply) {
  acceptor_.restore(source, file_name, std::move(reply));
}

void Changes::give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                        Completion<void> done) {
  names_.give(message, name, replaces, std::move(done));
}

void Changes::upload(const Upload& upload, Completion<Arrival> done) { appends_.upload(upload, std::move(done)); }

void Changes::drain(MailboxId mailbox, Completion<void> done) { waiters_.drain(mailbox, std::move(done)); }

void Changes::after_changes_of(const MessageLocation& message, Completion<void> then) {
  waiters_.after(message, std::move(then));
}

std::vector<PendingArrival> Changes::pending_arrivals() const { return list_pending_arrivals(table_, locations_); }

void Changes::await_change(ChangeId change, Completion<Arrival> finished) {
  waiters_.await(change, std::move(finished));
}

void Changes::clear_out(MailboxId mailbox, const UidSet& uids, MailboxPointer trash, Completion<void> done) {
  clearing_.clear_out(mailbox, uids, std::move(trash), std::move(done));
}

// -- the world around --

void Changes::on_online(bool online) {
  thread_.post([this, online] {
    if (online) return runner_.on_online();
    // Connected again meanwhile: nobody need be told.
    if (!dependencies_.online()) waiters_.on_offline();
  });
}

void Changes::rename_mailbox(const std::string& from, const std::string& to, char delimiter) {
  if (const auto renamed = dependencies_.journal.rename_mailbox(from, to, delimiter); !renamed)
    telemetry::error("journal: {}", telemetry::printable(renamed.error().what));
  own_removals_.rename_mailbox(from, to, delimiter);
  table_.lock()->queue.rename_mailbox(from, to, delimiter);
  own_arrivals_.rename_mailbox(from, to, delimiter);
}

void Changes::show_effects_in(const std::string& renamed, char delimiter) {
  thread_.post([this, renamed, delimiter] {
    const auto within = [&](const std::string& name) {
      return !name.empty() && renamed_mailbox(name, renamed, {}, delimiter) != name;
    };
    std::vector<store::JournalChange> effects;
    table_.lock()->queue.for_each([&](const PendingChange& pending) {
      if (within(pending.change.source.mailbox) || within(pending.change.replaces.mailbox))
        effects.push_back(pending.change);
    });
    effects_.show(effects);
  });
}

Changes::Status Changes::status() const {
  Status status;
  status.refused = refusals_.count();
  table_.with_lock([&](const ChangeTable& table) {
    const auto& changes = table.queue.changes();
    // Those too whose messages have come and are not shown yet.
    status.pending = changes.size() + table.arriving.size();
    if (!changes.empty())
      status.oldest_seconds = std::max<std::int64_t>(std::time(nullptr) - changes.begin()->second.accepted_at, 0);
  });
  return status;
}

}  // namespace imapfs::sync
