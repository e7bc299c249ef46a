#include "sync/tree/tree_sync.hpp"

#include <algorithm>
#include <chrono>

#include "imapfs/base/notices.hpp"
#include "imapfs/base/telemetry.hpp"
#include "sync/tree/stored_listing.hpp"

namespace imapfs::sync {
namespace {

/// The longest wait for the server before the present tree is shown.
constexpr SteadyClock::duration longest_look = std::chrono::seconds(10);
constexpr auto listing_retry = std::chrono::seconds(1);
constexpr auto listing_notice = "mailbox list";

Pace::Settings pace_of_listings(SteadyClock::duration refresh) {
  Pace::Settings settings;
  settings.free_rounds = 6;
  settings.longest = settings.unhurried = refresh;
  return settings;
}

}  // namespace

// -- the start --

Result<void> TreeSync::start(imap::Session& session, const CallContext& context) {
  const auto stored = stored_listing(dependencies_.store.direct());
  const auto known = stored.value_or(Listing{});
  auto listing = list_mailboxes(session, selectable_names(known), known.namespaces, context);
  if (!listing && (!stored || listing.error().lost_connection())) return fail(std::move(listing).error());
  dependencies_.tree.adopt_first(listing ? *listing : *stored);
  state_.lock()->checked = SteadyClock::now();
  if (!listing) keep(listing.error());
  return {};
}

Result<void> TreeSync::start_offline() {
  const auto stored = stored_listing(dependencies_.store.direct());
  if (!stored) return fail(EHOSTUNREACH, Scope::account, Retry::later, "no connection, and nothing is cached");
  dependencies_.tree.adopt_first(*stored);
  return {};
}

// -- those who look, and hints --

void TreeSync::freshen(Completion<void> done) {
  const auto age = SteadyClock::now() - state_.lock()->checked;
  if (age < settings_.refresh || !dependencies_.server.online()) return done({});
  const auto longest = std::min<SteadyClock::duration>(longest_look, settings_.timeout / 2);
  auto tolerant = [done = std::move(done)](const Result<void>&) { done({}); };
  if (gate_.join(dependencies_.helper.with_patience(longest, std::move(tolerant)))) start_listing();
}

void TreeSync::on_mailbox_list_changed() {
  const auto now = SteadyClock::now();
  SteadyClock::duration pause{};
  {
    auto state = state_.lock();
    pause = state->not_before - now;
    if (pause > SteadyClock::duration{}) {
      if (std::exchange(state->hint_waits, true)) return;
    } else {
      if (!state->pace) state->pace.emplace(pace_of_listings(settings_.refresh));
      state->not_before = now + state->pace->after(false, now - state->hinted);
      state->hinted = now;
    }
  }
  if (pause <= SteadyClock::duration{}) return relist();
  dependencies_.helper.post_after(pause, [this] {
    state_.lock()->hint_waits = false;
    on_mailbox_list_changed();
  });
}

void TreeSync::relist() {
  if (gate_.join({})) start_listing();
  else gate_.ask_again();
}

void TreeSync::list_if_outdated() {
  if (state_.lock()->outdated) relist();
}

/// Without reads, nothing else would ask for a connection.
void TreeSync::list_again_soon() {
  if (std::exchange(state_.lock()->listing_is_due, true)) return;
  dependencies_.helper.post_after(listing_retry, [this] {
    state_.lock()->listing_is_due = false;
    list_if_outdated();
  });
}

// -- listings --

void TreeSync::list(imap::Priority priority, Completion<Listing> done) {
  dependencies_.server.ask<Listing>(
      {.what = "list mailboxes", .priority = priority},
      [&tree = dependencies_.tree](imap::Session& session, const CallContext& context) {
        return list_mailboxes(session, tree.mailbox_names(), tree.namespaces(), context);
      },
      std::move(done));
}

void TreeSync::start_listing() {
  list(imap::Priority::interactive, [this](const Result<Listing>& listing) {
    if (listing) take(*listing);
    else keep(listing.error());
    const Result<void> result = listing ? Result<void>() : Result<void>(fail(listing.error()));
    if (gate_.finish(result) && result) relist();
    if (!listing && state_.lock()->outdated) list_again_soon();
  });
}

void TreeSync::take(const Listing& listing) {
  std::vector<std::function<void(const Listing&)>> unresolved;
  {
    auto state = state_.lock();
    state->checked = SteadyClock::now();
    state->outdated = false;
    unresolved.swap(state->unresolved);
  }
  notices().clear(listing_notice);
  for (const auto& resolve : unresolved) resolve(listing);
  dependencies_.tree.drop_levels_of(listing);
  dependencies_.tree.adopt(listing);
}

/// Keeps the present tree. If the list was not believed, asks again when the list would be out of date.
void TreeSync::keep(const Error& error) {
  if (error.lost_connection() || error.errnum != EIO) return;
  notices().set(listing_notice, error.what);
  state_.lock()->checked = SteadyClock::now();
}

// -- changes of ours --

void TreeSync::enter(Job job) {
  if (gate_.try_enter()) return job();
  const bool entered = gate_.join([this, job](const Result<void>&) { enter(job); });
  // The gate was left in between; leaving it again calls those who wait.
  if (entered) leave();
}

void TreeSync::leave() {
  if (gate_.finish({})) relist();
}

bool TreeSync::contradicts_tree(const Error& error) {
  return error.errnum == EEXIST || error.errnum == ENOENT || error.errnum == ENOTEMPTY;
}

void TreeSync::look(Completion<void> done) {
  enter([this, done = std::move(done)] {
    list(imap::Priority::interactive, [this, done](const Result<Listing>& listing) {
      if (listing) take(*listing);
      leave();
      done(listing ? Result<void>() : Result<void>(fail(listing.error())));
    });
  });
}

void TreeSync::resolve_later(std::function<void(const Listing&)> resolve) {
  {
    auto state = state_.lock();
    state->unresolved.push_back(std::move(resolve));
    state->outdated = true;
    state->checked = {};
  }
  list_again_soon();
}

}  // namespace imapfs::sync
