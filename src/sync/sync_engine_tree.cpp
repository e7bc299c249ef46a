// The mailbox list of SyncEngine: from the server, from the store, and what follows from a change of it.

#include <algorithm>
#include <set>
#include <utility>

#include "imapfs/base/notices.hpp"
#include "imapfs/base/telemetry.hpp"
#include "sync/sync_engine_implementation.hpp"
#include "sync/tree/listing_check.hpp"
#include "sync/tree/server_names.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t mailboxes_limit = 100'000;
constexpr std::size_t most_kept_levels = 10'000;
constexpr auto listing_retry = std::chrono::seconds(1);
constexpr auto listing_notice = "mailbox list";

/// The store keeps mailboxes only. The namespaces, without which paths could not be made offline, are kept as rows
/// under names that no mailbox can have: U+0001 and the kind, then the prefix.
constexpr char namespace_mark = '\x01';

store::StoredMailbox to_row(const imap::Namespace& space) {
  store::StoredMailbox row;
  row.name = std::string{namespace_mark, static_cast<char>('0' + static_cast<int>(space.kind))} + space.prefix;
  row.wire_name = space.wire_prefix;
  row.delimiter = space.delimiter;
  row.selectable = false;
  return row;
}

std::optional<imap::Namespace> to_namespace(const store::StoredMailbox& row) {
  if (row.name.size() < 2 || row.name[0] != namespace_mark || row.name[1] < '0' || row.name[1] > '2')
    return std::nullopt;
  imap::Namespace space;
  space.kind = static_cast<imap::Namespace::Kind>(row.name[1] - '0');
  space.prefix = row.name.substr(2);
  space.wire_prefix = row.wire_name;
  space.delimiter = row.delimiter;
  return space;
}

Pace::Settings pace_of_listings(SteadyClock::duration refresh) {
  Pace::Settings settings;
  settings.free_rounds = 6;
  settings.longest = settings.unhurried = refresh;
  return settings;
}

/// Takes what lies at `path` and below out of the news.
void move_ours(std::vector<MailboxNode>& news, const std::optional<std::string>& path, std::vector<MailboxNode>& ours) {
  if (!path) return;
  const auto first = std::stable_partition(news.begin(), news.end(), [&](const MailboxNode& node) {
    return node.path != *path && !node.path.starts_with(*path + "/");
  });
  ours.insert(ours.end(), first, news.end());
  news.erase(first, news.end());
}

}  // namespace

std::shared_ptr<const MailboxTree> EngineImplementation::tree() const { return tree_.lock()->tree; }

Result<EngineImplementation::Listing> EngineImplementation::list_mailboxes(
    imap::Session& session, const std::vector<imap::WireName>& known_names,
    const std::vector<imap::Namespace>& known_spaces, const CallContext& context) {
  Listing listing;
  auto namespaces = session.namespaces(context);
  if (!namespaces && namespaces.error().scope >= Scope::session) return fail(std::move(namespaces).error());
  // NAMESPACE is optional: what a server does not tell is in the personal namespace without a prefix.
  if (namespaces) listing.namespaces = std::move(*namespaces);
  const bool may_be_no_answer = !has_prefix(listing.namespaces);
  std::set<imap::WireName> known;
  const auto list = [&](const imap::WireName& prefix) -> Result<void> {
    auto rows = IMAPFS_TRY(session.list(prefix, context));
    for (auto& row : rows) {
      if (listing.mailboxes.size() >= mailboxes_limit) break;
      if (row.name.find(namespace_mark) == 0 || !known.insert(row.wire_name).second) continue;
      listing.mailboxes.push_back(std::move(row));
    }
    return {};
  };
  // INBOX lies outside a personal prefix such as "Mail/".
  IMAPFS_TRY(list(""));
  // Paths depend on it: prefixes that the names still have are not gone.
  if (may_be_no_answer && are_prefixes_of(known_spaces, known)) listing.namespaces = known_spaces;
  for (const auto& space : listing.namespaces) {
    if (space.wire_prefix.empty()) continue;
    if (are_prefixes_of({space}, known)) continue;
    auto listed = list(space.wire_prefix);
    if (!listed) IMAPFS_TRY(check_refusal(space, known_names, listed.error()));
    if (!listed) telemetry::warning("list namespace: {}", telemetry::printable(listed.error().what));
  }
  IMAPFS_TRY(check_listing(listing.mailboxes, known_names, listing.namespaces, session, context));
  return listing;
}

std::vector<imap::WireName> EngineImplementation::known_names() const {
  std::vector<imap::WireName> names;
  for (const auto& [id, node] : tree()->nodes())
    if (node.selectable && !node.name.empty()) names.push_back(node.wire_name);
  return names;
}

Result<void> EngineImplementation::start_with_listing(imap::Session& session, const CallContext& context) {
  const auto stored = stored_listing();
  std::vector<imap::WireName> known;
  if (stored) {
    for (const auto& mailbox : stored->mailboxes)
      if (mailbox.selectable) known.push_back(mailbox.wire_name);
  }
  auto listing = list_mailboxes(session, known, stored ? stored->namespaces : std::vector<imap::Namespace>(), context);
  if (!listing && (!stored || listing.error().scope >= Scope::session)) return fail(std::move(listing).error());
  adopt_listing(listing ? *listing : *stored, true);
  tree_.lock()->checked = SteadyClock::now();
  if (!listing) keep_tree(listing.error());
  return {};
}

std::optional<EngineImplementation::Listing> EngineImplementation::stored_listing() {
  Listing listing;
  for (const auto& row : store_.direct().mailboxes()) {
    if (auto space = to_namespace(row)) {
      listing.namespaces.push_back(std::move(*space));
      continue;
    }
    imap::ListedMailbox mailbox;
    mailbox.name = row.name;
    mailbox.wire_name = row.wire_name;
    mailbox.delimiter = row.delimiter;
    mailbox.selectable = row.selectable;
    mailbox.special_use = row.special_use;
    listing.mailboxes.push_back(std::move(mailbox));
  }
  if (listing.mailboxes.empty()) return std::nullopt;
  return listing;
}

void EngineImplementation::store_listing(const Listing& listing) {
  std::vector<store::StoredMailbox> rows;
  for (const auto& space : listing.namespaces) rows.push_back(to_row(space));
  for (const auto& mailbox : listing.mailboxes)
    rows.push_back({mailbox.name, mailbox.wire_name, mailbox.delimiter, mailbox.selectable, mailbox.special_use});
  store_.post([rows = std::move(rows)](store::MetadataStore& metadata) { metadata.replace_mailboxes(rows); });
}

void EngineImplementation::adopt_listing(const Listing& listing, bool first, const OurPaths& ours) {
  const auto before = tree();
  if (before && ours.removed) keep_levels_above(*before, *ours.removed, listing);
  MailboxTree::KeptIds kept;
  std::vector<imap::ListedMailbox> levels;
  tree_.with_lock([&](const TreeState& state) {
    kept = state.kept_ids;
    for (const auto& [name, row] : state.levels) levels.push_back(row);
  });
  const auto fresh = MailboxTree::build(settings_.account, listing.namespaces, listing.mailboxes, kept, levels);
  std::vector<MailboxPointer> dropped;
  adopt_mailboxes(*fresh, dropped);
  {
    auto state = tree_.lock();
    state->tree = fresh;
    // The kernel knows directories by their ids.
    state->kept_ids = fresh->ids_to_keep(settings_.account);
    state->namespaces = listing.namespaces;
  }
  store_listing(listing);
  for (const auto& mailbox : dropped) forget(mailbox);
  if (first) return;
  auto change = difference(*before, *fresh);
  move_ours(change.removed, ours.removed, change.removed_by_us);
  // What has made way for it went by us, too.
  move_ours(change.removed, ours.added, change.removed_by_us);
  move_ours(change.added, ours.added, change.added_by_us);
  change.kernel_knows_ours = !ours.kernel_is_told;
  const bool empty = change.added.empty() && change.removed.empty() && change.added_by_us.empty() &&
                     change.removed_by_us.empty();
  if (!empty) listener_.on_tree_changed(change);
}

void EngineImplementation::keep_levels_above(const MailboxTree& tree, const std::string& path, const Listing& left) {
  const auto end = path.rfind('/');
  const auto* node = end == std::string::npos ? nullptr : tree.find_path(std::string_view(path).substr(0, end));
  // What is above a mailbox is there as long as that is.
  for (; node != nullptr && node->id.value != 0 && !node->selectable; node = tree.find(node->parent)) {
    const auto name = server_name_of(tree, *node);
    const bool has_mailbox = name && std::any_of(left.mailboxes.begin(), left.mailboxes.end(), [&](const auto& row) {
                               return row.selectable && name->is_above(row.wire_name);
                             });
    if (!name || has_mailbox) return;
    imap::ListedMailbox row;
    row.wire_name = name->wire;
    row.name = name->name;
    row.delimiter = name->delimiter;
    row.selectable = false;
    auto state = tree_.lock();
    if (state->levels.size() < most_kept_levels) state->levels.insert_or_assign(row.wire_name, row);
  }
}

/// Those that the server has, or that a mailbox of it lies below, need not be kept: whoever takes them away, takes them
/// away.
void EngineImplementation::drop_levels_of_server(const Listing& listing) {
  tree_.with_lock([&](TreeState& state) {
    std::erase_if(state.levels, [&](const auto& level) {
      return lists(listing, ServerName{level.first, level.second.name, level.second.delimiter}, false);
    });
  });
}

void EngineImplementation::adopt_mailboxes(const MailboxTree& tree, std::vector<MailboxPointer>& dropped) {
  const auto before = mailboxes_.with_lock([](const Mailboxes& mailboxes) { return mailboxes; });
  Mailboxes after;
  for (const auto& [id, node] : tree.nodes()) {
    if (!node.selectable || node.name.empty()) continue;
    const auto known = before.by_id.find(id);
    MailboxPointer mailbox;
    if (known != before.by_id.end() && known->second->replica.identity().name == node.name &&
        known->second->replica.identity().wire_name == node.wire_name) {
      mailbox = known->second;
    } else {
      // Only at the start can the store know a mailbox that memory does not: reading it here is a start's business.
      auto stored = before.by_id.empty() ? store_.direct().state(node.name) : std::nullopt;
      mailbox = std::make_shared<Mailbox>(MailboxReplica::Identity{id, node.path, node.name, node.wire_name},
                                          replica_surroundings(), std::move(stored));
      if (known != before.by_id.end()) take_over_renamed(*known->second, *mailbox);
    }
    mailbox->activity.lock()->listed = node.status;
    after.by_wire_name[node.wire_name] = mailbox;
    after.by_name[node.name] = mailbox;
    after.by_id[id] = std::move(mailbox);
  }
  for (const auto& [id, mailbox] : before.by_id) {
    const auto still = after.by_id.find(id);
    if (still == after.by_id.end() || still->second != mailbox) dropped.push_back(mailbox);
  }
  *mailboxes_.lock() = std::move(after);
}

/// An id moves to another path only by a rename of ours. Most servers keep UIDVALIDITY then, and whoever knows a
/// message by the old path, the kernel for one, goes on using it before the mailbox is selected under its new name.
/// Where the server did not keep it, SELECT will say so.
void EngineImplementation::take_over_renamed(const Mailbox& before, Mailbox& after) {
  if (before.replica.identity().path == after.replica.identity().path) return;
  const auto validity = before.replica.table()->uid_validity();
  if (validity.value != 0) after.replica.note_validity(validity);
}

MailboxReplica::Dependencies EngineImplementation::replica_surroundings() {
  MailboxReplica::Dependencies dependencies{settings_.names, store_, listener_};
  if (!journal_) return dependencies;
  dependencies.local_names = [journal = journal_](const std::string& mailbox, UidValidity validity) {
    auto names = journal->local_names(mailbox, validity);
    if (names) return std::move(*names);
    telemetry::warning("names in {}: {}", telemetry::printable(mailbox), telemetry::printable(names.error().what));
    return std::vector<store::LocalName>();
  };
  // What is dropped because the thread is busy is forgotten at the next listing of the mailbox.
  dependencies.names_unused = [this](const std::string& mailbox, UidValidity validity, const UidSet& uids) {
    (void)helper_->try_post([journal = journal_, mailbox, validity, uids] {
      const auto forgotten = journal->forget_local_names(mailbox, validity, uids);
      if (!forgotten) telemetry::warning("forget names: {}", telemetry::printable(forgotten.error().what));
    });
  };
  return dependencies;
}

void EngineImplementation::forget(const MailboxPointer& mailbox) {
  const auto name = mailbox->replica.identity().name;
  telemetry::info("mailbox {} is gone", telemetry::printable(mailbox->replica.identity().path));
  store_.post([name, bodies = bodies_](store::MetadataStore& metadata) {
    metadata.forget_mailbox(name);
    if (bodies) bodies->remove_mailbox(name);
  });
}

void EngineImplementation::freshen_tree(Completion<void> done) {
  const auto age = SteadyClock::now() - tree_.lock()->checked;
  if (age < settings_.refresh || !online()) return done({});
  auto tolerant = [done = std::move(done)](const Result<void>&) { done({}); };
  if (tree_gate_.join(impatient(std::move(tolerant)))) start_listing(imap::Priority::interactive);
}

void EngineImplementation::relist() {
  if (tree_gate_.join({})) start_listing(imap::Priority::interactive);
  else tree_gate_.ask_again();
}

void EngineImplementation::relist_by_hint() {
  const auto now = SteadyClock::now();
  SteadyClock::duration pause{};
  {
    auto state = tree_.lock();
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
  list_by_hint_later(pause);
}

void EngineImplementation::list_by_hint_later(SteadyClock::duration pause) {
  later(pause, [](EngineImplementation& engine) {
    const bool posted = engine.helper_->try_post([&engine] {
      engine.tree_.lock()->hint_waits = false;
      engine.relist_by_hint();
    });
    if (!posted) engine.list_by_hint_later(std::chrono::seconds(1));
  });
}

void EngineImplementation::note_outdated() {
  {
    auto state = tree_.lock();
    state->outdated = true;
    state->checked = {};
  }
  list_again_soon();
}

/// A mount that nobody reads from would not ask for a connection by itself.
void EngineImplementation::list_again_soon() {
  if (std::exchange(tree_.lock()->listing_is_due, true)) return;
  later(listing_retry, [](EngineImplementation& engine) {
    engine.tree_.lock()->listing_is_due = false;
    if (!engine.helper_->try_post([&engine] { engine.list_if_outdated(); })) engine.list_again_soon();
  });
}

void EngineImplementation::list_if_outdated() {
  if (tree_.lock()->outdated) relist();
}

void EngineImplementation::take_listing(const Listing& listing) {
  std::vector<std::function<void(const Listing&)>> unresolved;
  {
    auto state = tree_.lock();
    state->checked = SteadyClock::now();
    state->outdated = false;
    unresolved.swap(state->unresolved);
  }
  notices().clear(listing_notice);
  for (const auto& resolve : unresolved) resolve(listing);
  drop_levels_of_server(listing);
  adopt_listing(listing, false);
}

/// What was listed before stays. A server whose list is not to be believed is asked again when the list would be old.
void EngineImplementation::keep_tree(const Error& error) {
  if (error.scope >= Scope::session || error.errnum != EIO) return;
  notices().set(listing_notice, error.what);
  tree_.lock()->checked = SteadyClock::now();
}

/// tree_gate_ was just entered.
void EngineImplementation::start_listing(imap::Priority priority) {
  submit_listing(priority, [this](const Result<Listing>& listing) {
    if (listing) take_listing(*listing);
    else keep_tree(listing.error());
    const Result<void> result = listing ? Result<void>() : Result<void>(fail(listing.error()));
    if (tree_gate_.finish(result) && result) relist();
    if (!listing && tree_.with_lock([](const TreeState& state) { return state.outdated; })) list_again_soon();
  });
}

/// Whoever calls has the tree to himself.
void EngineImplementation::submit_listing(imap::Priority priority, Completion<Listing> done) {
  imap::PoolJob job;
  job.priority = priority;
  job.context = patience();
  job.what = "list mailboxes";
  auto listing = std::make_shared<Listing>();
  job.run = [this, listing](imap::Session& session, const CallContext& context) -> Result<void> {
    *listing = IMAPFS_TRY(list_mailboxes(session, known_names(), known_namespaces(), context));
    return {};
  };
  job.done = [listing, done = std::move(done)](const Result<void>& result) {
    if (!result) return done(fail(result.error()));
    done(std::move(*listing));
  };
  submit(std::move(job));
}

}  // namespace imapfs::sync
