#include "sync/bodies/prefetcher.hpp"

#include <algorithm>
#include <utility>

namespace imapfs::sync {
namespace {

/// The most recognisers to keep; at one more all are forgotten. A reader is recognised again within three opens.
constexpr std::size_t most_mailboxes = 64;
/// A reader has up to this many sets ahead, which together take at most a quarter of the cache.
constexpr std::uint64_t sets_before_a_reader = 3;
constexpr std::uint64_t share_of_cache = 4;
/// With one connection for everything, nobody should wait longer than this takes.
constexpr std::uint64_t set_bytes_on_one_connection = 1 << 20;
constexpr std::size_t most_jobs = 2;
/// In inode order the wanted message may be the last of its set, and the UID set has a piece for each message.
constexpr std::uint64_t set_bytes_by_inode = 1 << 20;
constexpr std::size_t set_messages_by_inode = 400;
/// After this many opens in no UID order, the order of inodes is checked; each failed check multiplies the threshold.
constexpr std::size_t strays_at_first = 4;
constexpr std::size_t patience_growth = 16;
/// A reader in inode order must be recognised within this many opens.
constexpr std::size_t strays_more = 8;

AccessPattern::Listing listing_of(const std::shared_ptr<const MessageTable>& table) {
  return [table](Uid after, const std::function<bool(const AccessPattern::Message&)>& visit) {
    constexpr auto all = static_cast<std::size_t>(-1);
    table->visit_after(after, all, [&](const MessageTable::RowView& row) { return visit({row.uid, row.size}); });
  };
}

}  // namespace

/// Chooses sets for one reader during one job.
class Prefetcher::PrefetchSource final : public BodyFetcher::SetSource {
 public:
  /// `inodes`: set for a reader in inode order.
  PrefetchSource(Prefetcher& owner, ReadersPointer readers, Reader reader, BodyFetcher::Request mailbox,
                 AccessPattern::Listing listing, std::shared_ptr<const InodeOrder> inodes)
      : owner_(owner), readers_(std::move(readers)), reader_(reader), mailbox_(std::move(mailbox)),
        inodes_(std::move(inodes)) {
    listing_ = inodes_ ? [inodes = inodes_](Uid after, const auto& visit) { inodes->visit(after, visit); }
                       : std::move(listing);
  }

  std::vector<Message> next_set() override {
    auto plan = readers_->with_lock([&](Readers& readers) {
      const bool same = readers.uid_validity == mailbox_.key.uid_validity && (!inodes_ || readers.inodes == inodes_);
      return same ? readers.in(reader_.first).plan(reader_.second) : std::nullopt;
    });
    if (!plan || owner_.in_the_way_() || !owner_.bodies_->usage().disk_usable) return {};
    if (inodes_) plan->messages = std::min(plan->messages, set_messages_by_inode);
    auto key = mailbox_.key;
    const auto wanted = [&](Uid place) {
      key.uid = uid_at(place);
      return !owner_.bodies_->contains(key) && !owner_.fetcher_.is_coming(key);
    };
    // Chosen without the lock, because only this job gives sets to this reader.
    const auto set = AccessPattern::choose(*plan, owner_.limits(reader_.first), listing_, wanted);
    readers_->with_lock([&](Readers& readers) { readers.in(reader_.first).give(*plan, set); });
    std::vector<Message> messages;
    for (const auto& message : set.messages) messages.push_back({uid_at(message.uid), message.size});
    // Servers send them in this order.
    std::sort(messages.begin(), messages.end(),
              [](const Message& left, const Message& right) { return left.uid < right.uid; });
    return messages;
  }

  void ended(const Result<void>& result) override {
    readers_->with_lock([&](Readers& readers) {
      readers.fed.erase(reader_);
      if (!result) readers.in(reader_.first).end(reader_.second);
    });
    if (!result && result.error().errnum == EOPNOTSUPP) owner_.useless_ = true;
    --owner_.jobs_;
  }

 private:
  Prefetcher& owner_;
  [[nodiscard]] Uid uid_at(Uid place) const { return inodes_ ? inodes_->at(place) : place; }

  const ReadersPointer readers_;
  const Reader reader_;
  const BodyFetcher::Request mailbox_;
  const std::shared_ptr<const InodeOrder> inodes_;
  AccessPattern::Listing listing_;
};

Prefetcher::Prefetcher(Settings settings, BodyFetcher& fetcher, std::shared_ptr<store::MessageCache> bodies,
                       InTheWay in_the_way, Later later)
    : settings_(std::move(settings)), fetcher_(fetcher), bodies_(std::move(bodies)), in_the_way_(std::move(in_the_way)),
      later_(std::move(later)),
      // One connection is left for interactive jobs.
      most_jobs_(std::clamp<std::size_t>(settings_.connections - 1, 1, most_jobs)) {}

AccessPattern::Limits Prefetcher::limits(Order order) const {
  AccessPattern::Limits limits;
  limits.message_bytes = settings_.message_bytes;
  const auto share = settings_.cache_bytes / share_of_cache / sets_before_a_reader;
  limits.set_bytes = std::min(limits.set_bytes, share);
  limits.large_message_bytes = std::min(limits.large_message_bytes, share);
  if (order == Order::inode) limits.set_bytes = std::min(limits.set_bytes, set_bytes_by_inode);
  if (settings_.connections == 1) {
    limits.set_bytes = std::min(limits.set_bytes, set_bytes_on_one_connection);
    limits.large_message_bytes = 0;
  }
  return limits;
}

Prefetcher::ReadersPointer Prefetcher::readers_of(const BodyFetcher::Request& request) {
  const auto readers = mailboxes_.with_lock([&](auto& all) {
    if (all.size() >= most_mailboxes && !all.contains(request.mailbox)) all.clear();
    auto& place = all[request.mailbox];
    if (!place) place = std::make_shared<Guarded<Readers>>();
    return place;
  });
  return readers;
}

std::optional<Prefetcher::Reader> Prefetcher::recognise(Readers& readers, Uid uid,
                                                        const AccessPattern::Listing& listing) const {
  std::optional<Reader> reader;
  if (const auto found = readers.by_uid.opened(uid, listing)) reader = Reader{Order::uid, *found};
  const auto place = readers.inodes ? readers.inodes->place_of(uid) : std::nullopt;
  if (place) {
    const auto visit = [&](Uid after, const auto& each) { readers.inodes->visit(after, each); };
    if (const auto found = readers.by_inode.opened(*place, visit); found && !reader)
      reader = Reader{Order::inode, *found};
  }
  readers.strays = reader ? 0 : readers.strays + 1;
  return reader;
}

/// Has the messages sorted by inode if that may explain the opens, and drops the order if it does not.
void Prefetcher::look_at_inodes(const ReadersPointer& readers, const BodyFetcher::Request& request,
                                const Listed& listed) {
  const bool sort = readers->with_lock([&](Readers& state) {
    if (state.sort_at == 0) state.sort_at = strays_at_first;
    if (state.strays < state.sort_at) return false;
    if (!state.inodes && state.strays == state.sort_at) return true;
    if (state.inodes && state.strays >= state.sort_at + strays_more) {
      state.inodes = nullptr;
      state.by_inode = AccessPattern();
      state.sort_at = state.strays * patience_growth;
    }
    return false;
  });
  if (!sort) return;
  const auto seed = message_inode_seed(settings_.account, listed.path, request.key.uid_validity);
  // If the other thread is too busy, later opens try again.
  (void)later_([readers, table = listed.table, seed, validity = request.key.uid_validity] {
    auto inodes = std::make_shared<const InodeOrder>(seed, listing_of(table));
    readers->with_lock([&](Readers& state) {
      if (state.uid_validity != validity) return;
      state.inodes.swap(inodes);
      state.sort_at = std::max<std::size_t>(state.strays, 1);
    });
  });
}

void Prefetcher::opened(const BodyFetcher::Request& request, const Listed& listed) {
  if (useless_) return;
  const auto readers = readers_of(request);
  const auto listing = listing_of(listed.table);
  std::shared_ptr<const InodeOrder> inodes;
  const auto to_be_fed = readers->with_lock([&](Readers& state) -> std::optional<Reader> {
    if (state.uid_validity != request.key.uid_validity) {
      // Jobs for the old UIDVALIDITY end by themselves.
      state.by_uid = state.by_inode = AccessPattern();
      state.inodes = nullptr;
      state.uid_validity = request.key.uid_validity;
    }
    const auto reader = recognise(state, request.key.uid, listing);
    if (!reader || state.fed.contains(*reader) || !state.in(reader->first).plan(reader->second)) return std::nullopt;
    if (jobs_.fetch_add(1) >= most_jobs_) {
      --jobs_;
      return std::nullopt;
    }
    state.fed.insert(*reader);
    if (reader->first == Order::inode) inodes = state.inodes;
    return reader;
  });
  if (!to_be_fed) return look_at_inodes(readers, request, listed);
  const auto feed = std::make_shared<PrefetchSource>(*this, readers, *to_be_fed, request, listing, std::move(inodes));
  if (fetcher_.fetch_sets(request, feed)) return;
  feed->ended({});
}

}  // namespace imapfs::sync
