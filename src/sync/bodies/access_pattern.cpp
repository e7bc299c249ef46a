#include "sync/bodies/access_pattern.hpp"

#include <algorithm>
#include <utility>

namespace imapfs::sync {
namespace {

/// The most pieces in a command's UID set: its line stays within what servers accept (RFC 7162 §4).
constexpr std::size_t most_pieces = 400;
/// How many messages to look at for each that may be in the set. In a cached mailbox none of them may be wanted, and
/// the first set is chosen on the thread of the open.
constexpr std::size_t looked_at_for_each = 2;
constexpr std::size_t page = 256;

/// Whether `to` comes after `from` by at most `limit` listed messages.
bool within(Uid from, Uid to, std::size_t limit, const AccessPattern::Listing& listing) {
  bool reached = false;
  std::size_t passed = 0;
  listing(from, [&](const AccessPattern::Message& message) {
    reached = message.uid >= to;
    return !reached && ++passed < limit;
  });
  return reached;
}

}  // namespace

const AccessPattern::Reader* AccessPattern::find(ReaderId id) const {
  const auto found = std::find_if(readers_.begin(), readers_.end(),
                                  [&](const Reader& reader) { return reader.id == id; });
  return id == 0 || found == readers_.end() ? nullptr : &*found;
}

AccessPattern::Reader* AccessPattern::find(ReaderId id) { return const_cast<Reader*>(std::as_const(*this).find(id)); }

bool AccessPattern::follows(const Reader& reader, Uid uid, const Listing& listing) {
  if (reader.id == 0) return false;
  if (uid == reader.last) return true;
  const bool recognised = reader.opens >= opens_to_recognise;
  if (uid > reader.last) return within(reader.last, uid, recognised ? widest_disorder : widest_gap, listing);
  return recognised && within(uid, reader.last, widest_disorder, listing);
}

void AccessPattern::start(Uid uid) {
  auto& reader = *std::min_element(readers_.begin(), readers_.end(),
                                   [](const Reader& left, const Reader& right) { return left.used < right.used; });
  reader = {};
  reader.id = next_id_++;
  reader.last = uid;
  reader.opens = 1;
  reader.used = ++clock_;
}

std::optional<AccessPattern::ReaderId> AccessPattern::opened(Uid uid, const Listing& listing) {
  Reader* best = nullptr;
  for (auto& reader : readers_) {
    if (follows(reader, uid, listing) && (best == nullptr || reader.opens > best->opens)) best = &reader;
  }
  if (best == nullptr) {
    start(uid);
    return std::nullopt;
  }
  best->used = ++clock_;
  if (uid > best->last) {
    ++best->opens;
    best->last = uid;
  }
  if (best->opens < opens_to_recognise) return std::nullopt;
  if (best->given_up_to.value == 0) {
    // The message being opened is part of the first set, which counts as reached with the next open.
    best->given_up_to = Uid{best->last.value - 1};
    best->recognised_at = best->last;
  }
  return best->id;
}

std::optional<AccessPattern::Plan> AccessPattern::plan(ReaderId id) const {
  const auto* reader = find(id);
  if (reader == nullptr || reader->opens < opens_to_recognise) return std::nullopt;
  if (reader->last <= reader->starts.front()) return std::nullopt;
  return Plan{id, std::max(reader->given_up_to, Uid{reader->last.value - 1}), reader->next_size,
              reader->given_bytes - reader->last_set_bytes};
}

AccessPattern::Set AccessPattern::choose(const Plan& plan, const Limits& limits, const Listing& listing,
                                         const std::function<bool(Uid)>& wanted) {
  Set set{{}, plan.after};
  std::uint64_t bytes = 0;
  std::size_t pieces = 1;
  std::size_t looked_at = 0;
  bool more = true;
  const auto most_looked_at = looked_at_for_each * plan.messages;
  const auto largest = std::max(limits.message_bytes, std::min(plan.earned_bytes, limits.large_message_bytes));
  while (more && looked_at < most_looked_at) {
    std::vector<Message> rows;
    listing(set.up_to, [&](const Message& message) {
      rows.push_back(message);
      return rows.size() < page;
    });
    more = rows.size() == page;
    for (const auto& message : rows) {
      if (set.messages.size() == plan.messages || looked_at == most_looked_at) return set;
      if (bytes >= limits.set_bytes || pieces >= most_pieces) return set;
      const bool is_large = message.size > limits.message_bytes && message.size <= largest;
      // It would make those that were chosen wait: it begins the next set.
      if (is_large && bytes > 0 && bytes + message.size > limits.set_bytes) return set;
      ++looked_at;
      set.up_to = message.uid;
      if (message.size > largest || !wanted(message.uid)) continue;
      const bool continues = set.messages.empty() || set.messages.back().uid.value + 1 == message.uid.value;
      if (!continues) ++pieces;
      bytes += message.size;
      set.messages.push_back(message);
    }
  }
  return set;
}

void AccessPattern::give(const Plan& plan, const Set& set) {
  auto* reader = find(plan.reader);
  if (reader == nullptr) return;
  std::rotate(reader->starts.begin(), reader->starts.begin() + 1, reader->starts.end());
  reader->starts.back() = std::max(plan.after, reader->recognised_at);
  reader->given_up_to = std::max(reader->given_up_to, set.up_to);
  reader->last_set_bytes = 0;
  for (const auto& message : set.messages) reader->last_set_bytes += message.size;
  reader->given_bytes += reader->last_set_bytes;
  reader->next_size = std::min(reader->next_size * set_growth, largest_set);
}

void AccessPattern::end(ReaderId id) {
  if (auto* reader = find(id)) *reader = {};
}

std::size_t AccessPattern::readers() const {
  return static_cast<std::size_t>(std::count_if(
      readers_.begin(), readers_.end(), [](const Reader& reader) { return reader.opens >= opens_to_recognise; }));
}

}  // namespace imapfs::sync
