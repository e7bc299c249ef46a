#include "sync_engine_read_ahead.hpp"

#include <algorithm>
#include <utility>

namespace imapfs::sync {
namespace {

/// Recognisers kept; one too many, and all are forgotten: a reader is recognised anew within three opens.
constexpr std::size_t most_mailboxes = 64;
/// A reader has up to this many sets before it, which together take at most a quarter of the cache.
constexpr std::uint64_t sets_before_a_reader = 3;
constexpr std::uint64_t share_of_cache = 4;
/// With one connection for everything nobody waits for longer than this takes.
constexpr std::uint64_t set_octets_on_one_connection = 1 << 20;
constexpr std::size_t most_jobs = 2;

ReadAhead::Listing listing_of(const std::shared_ptr<const MessageTable>& table) {
  return [table](Uid after, const std::function<bool(const ReadAhead::Message&)>& visit) {
    constexpr auto all = static_cast<std::size_t>(-1);
    table->visit_after(after, all, [&](const MessageTable::RowView& row) { return visit({row.uid, row.size}); });
  };
}

}  // namespace

/// Feeds one reader for as long as a job lasts.
class ReadingAhead::Feed final : public BodyFetcher::SetSource {
 public:
  Feed(ReadingAhead& owner, ReadersPointer readers, ReadAhead::ReaderId reader, BodyFetcher::Request mailbox,
       ReadAhead::Listing listing)
      : owner_(owner),
        readers_(std::move(readers)),
        reader_(reader),
        mailbox_(std::move(mailbox)),
        listing_(std::move(listing)) {}

  std::vector<Message> next_set() override {
    const auto plan = readers_->with_lock([&](const Readers& readers) {
      return readers.uid_validity == mailbox_.key.uid_validity ? readers.ahead.plan(reader_) : std::nullopt;
    });
    if (!plan || owner_.in_the_way_() || !owner_.bodies_->usage().disk_usable) return {};
    auto key = mailbox_.key;
    const auto wanted = [&](Uid uid) {
      key.uid = uid;
      return !owner_.bodies_->contains(key) && !owner_.fetcher_.is_coming(key);
    };
    // Chosen without the lock: only this job gives sets to this reader.
    const auto set = ReadAhead::choose(*plan, owner_.limits(), listing_, wanted);
    readers_->with_lock([&](Readers& readers) { readers.ahead.give(*plan, set); });
    std::vector<Message> messages;
    for (const auto& message : set.messages) messages.push_back({message.uid, message.size});
    return messages;
  }

  void ended(const Result<void>& result) override {
    readers_->with_lock([&](Readers& readers) {
      readers.fed.erase(reader_);
      if (!result) readers.ahead.end(reader_);
    });
    if (!result && result.error().errnum == EOPNOTSUPP) owner_.useless_ = true;
    --owner_.jobs_;
  }

 private:
  ReadingAhead& owner_;
  const ReadersPointer readers_;
  const ReadAhead::ReaderId reader_;
  const BodyFetcher::Request mailbox_;
  const ReadAhead::Listing listing_;
};

ReadingAhead::ReadingAhead(Settings settings, BodyFetcher& fetcher, std::shared_ptr<store::MessageCache> bodies,
                           InTheWay in_the_way)
    : settings_(settings),
      fetcher_(fetcher),
      bodies_(std::move(bodies)),
      in_the_way_(std::move(in_the_way)),
      // One connection is left for those who wait.
      most_jobs_(std::clamp<std::size_t>(settings.connections - 1, 1, most_jobs)) {}

ReadAhead::Limits ReadingAhead::limits() const {
  ReadAhead::Limits limits;
  limits.message_octets = settings_.message_octets;
  limits.set_octets = std::min(limits.set_octets, settings_.cache_octets / share_of_cache / sets_before_a_reader);
  if (settings_.connections == 1) limits.set_octets = std::min(limits.set_octets, set_octets_on_one_connection);
  return limits;
}

ReadingAhead::ReadersPointer ReadingAhead::readers_of(const BodyFetcher::Request& request) {
  const auto readers = mailboxes_.with_lock([&](auto& all) {
    if (all.size() >= most_mailboxes && !all.contains(request.mailbox)) all.clear();
    auto& place = all[request.mailbox];
    if (!place) place = std::make_shared<Guarded<Readers>>();
    return place;
  });
  return readers;
}

void ReadingAhead::opened(const BodyFetcher::Request& request, const std::shared_ptr<const MessageTable>& table) {
  if (useless_) return;
  const auto readers = readers_of(request);
  const auto listing = listing_of(table);
  const auto to_be_fed = readers->with_lock([&](Readers& state) -> std::optional<ReadAhead::ReaderId> {
    if (state.uid_validity != request.key.uid_validity) {
      // A job for the old one ends by itself.
      state.ahead = ReadAhead();
      state.uid_validity = request.key.uid_validity;
    }
    const auto reader = state.ahead.opened(request.key.uid, listing);
    if (!reader || state.fed.contains(*reader) || !state.ahead.plan(*reader)) return std::nullopt;
    if (jobs_.fetch_add(1) >= most_jobs_) {
      --jobs_;
      return std::nullopt;
    }
    state.fed.insert(*reader);
    return reader;
  });
  if (!to_be_fed) return;
  const auto feed = std::make_shared<Feed>(*this, readers, *to_be_fed, request, listing);
  if (fetcher_.fetch_sets(request, feed)) return;
  feed->ended({});
}

}  // namespace imapfs::sync
