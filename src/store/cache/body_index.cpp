#include "store/cache/body_index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "imapfs/model/identity.hpp"

namespace imapfs::store {
namespace {

constexpr std::int64_t persist_uses_every = 60'000'000'000;

/// Reads digits exactly as fmt writes them: no sign, no leading zero in decimal, `width` digits in hex.
template <class Number>
bool take_number(std::string_view& text, Number& number, int base, std::size_t width) {
  const std::size_t end = std::min(text.find('-'), text.size());
  const std::string_view digits = text.substr(0, end);
  if (digits.empty() || (width != 0 && digits.size() != width) || (width == 0 && digits.size() > 1 && digits[0] == '0'))
    return false;
  if (digits.find_first_not_of(base == 16 ? "0123456789abcdef" : "0123456789") != std::string_view::npos) return false;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  if (error != std::errc{} || stop != digits.data() + digits.size()) return false;
  text.remove_prefix(end == text.size() ? end : end + 1);
  return true;
}

}  // namespace

HashedKey HashedKey::of(const BodyKey& key) {
  return HashedKey{stable_hash(key.mailbox), key.uid_validity.value, key.uid.value};
}

std::uint64_t HashedKey::hash() const {
  std::uint64_t mixed = mailbox ^ (static_cast<std::uint64_t>(uid_validity) << 32 | uid);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  return mixed ^ (mixed >> 31);
}

std::string shard_name(std::size_t shard) { return fmt::format("{:02x}", shard); }

std::string StoredBody::file_name() const {
  return fmt::format("{:016x}-{}-{}-{}-{:08x}", key.mailbox, key.uid_validity, key.uid, length, checksum);
}

std::optional<StoredBody> StoredBody::parse(std::string_view name) {
  StoredBody body;
  const std::size_t dashes = static_cast<std::size_t>(std::count(name.begin(), name.end(), '-'));
  if (dashes != 4 || !take_number(name, body.key.mailbox, 16, 16) || !take_number(name, body.key.uid_validity, 10, 0) ||
      !take_number(name, body.key.uid, 10, 0) || !take_number(name, body.length, 10, 0) ||
      !take_number(name, body.checksum, 16, 8) || !name.empty()) {
    return std::nullopt;
  }
  return body;
}

bool StoredBody::is_at_the_place_of(const StoredBody& other) const {
  if (pack != other.pack) return false;
  if (pack != 0) return record == other.record;
  return key == other.key && length == other.length && checksum == other.checksum;
}

// -- entries and the files they are in --

/// The file that holds the body; creates a new entry in front of `place` if there is none.
BodyIndex::Order::iterator BodyIndex::file_of(const StoredBody& body, Order::iterator place) {
  if (body.pack != 0) {
    if (const auto found = packs_.find(body.pack); found != packs_.end()) return found->second;
  }
  const auto file = order_.insert(place, File{body.pack, body.last_used, body.last_used, {}});
  if (body.pack != 0) packs_.emplace(body.pack, file);
  return file;
}

void BodyIndex::add(StoredBody body, Order::iterator file) {
  body.generation = next_generation_++;
  bytes_ += body.length;
  file->bodies.push_back(body.key);
  const auto key = body.key;
  by_key_.insert_or_assign(key, Entry{std::move(body), file});
}

StoredBody BodyIndex::remove(Entries::iterator entry) {
  StoredBody body = std::move(entry->second.body);
  const auto file = entry->second.file;
  by_key_.erase(entry);
  bytes_ -= body.length;
  auto& bodies = file->bodies;
  *std::find(bodies.rbegin(), bodies.rend(), body.key) = bodies.back();
  bodies.pop_back();
  if (bodies.empty()) {
    packs_.erase(file->pack);
    order_.erase(file);
  }
  return body;
}

std::optional<StoredBody> BodyIndex::insert(StoredBody body) {
  std::optional<StoredBody> replaced = take(body.key);
  const auto file = file_of(body, order_.begin());
  file->last_used = body.last_used;
  order_.splice(order_.begin(), order_, file);
  const bool same_place = replaced && replaced->is_at_the_place_of(body);
  add(std::move(body), file);
  return same_place ? std::nullopt : replaced;
}

std::optional<StoredBody> BodyIndex::insert_found(StoredBody body) {
  std::optional<StoredBody> loser;
  if (const auto known = by_key_.find(body.key); known != by_key_.end()) {
    const auto& other = known->second.body;
    // Within a pack, the later record wins.
    const bool newer = body.pack != 0 && body.pack == other.pack ? body.record > other.record
                                                                 : body.last_used > known->second.file->last_used;
    if (!newer) return body;
    loser = remove(known);
  }
  const auto file = file_of(body, order_.end());
  add(std::move(body), file);
  return loser;
}

const StoredBody* BodyIndex::find(const HashedKey& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &found->second.body;
}

bool BodyIndex::touch(const HashedKey& key, std::int64_t now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return false;
  File& file = *found->second.file;
  order_.splice(order_.begin(), order_, found->second.file);
  file.last_used = now;
  if (now - file.persisted_use < persist_uses_every) return false;
  file.persisted_use = now;
  return true;
}

void BodyIndex::set_verified(const HashedKey& key, std::uint64_t generation) {
  const auto found = by_key_.find(key);
  if (found != by_key_.end() && found->second.body.generation == generation) found->second.body.verified = true;
}

bool BodyIndex::erase(const HashedKey& key, std::uint64_t generation) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second.body.generation != generation) return false;
  remove(found);
  return true;
}

std::optional<StoredBody> BodyIndex::take(const HashedKey& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  return remove(found);
}

std::vector<StoredBody> BodyIndex::take_mailbox(std::uint64_t mailbox, std::optional<std::uint32_t> keep) {
  std::vector<HashedKey> keys;
  for (const auto& file : order_) {
    for (const auto& key : file.bodies) {
      if (key.mailbox == mailbox && key.uid_validity != keep) keys.push_back(key);
    }
  }
  std::vector<StoredBody> taken;
  // Backwards, because remove() searches from the back.
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) taken.push_back(*take(*key));
  return taken;
}

BodyIndex::Evicted BodyIndex::take_beyond(std::uint64_t limit, std::size_t most) {
  Evicted evicted;
  while (bytes_ > limit && order_.size() > 1 && evicted.files.size() + evicted.packs.size() < most) {
    const File file = std::move(order_.back());
    order_.pop_back();
    packs_.erase(file.pack);
    evicted.bodies += file.bodies.size();
    for (const auto& key : file.bodies) {
      auto entry = by_key_.extract(key);
      bytes_ -= entry.mapped().body.length;
      if (file.pack == 0) evicted.files.push_back(std::move(entry.mapped().body));
    }
    if (file.pack != 0) evicted.packs.push_back(file.pack);
  }
  return evicted;
}

void BodyIndex::sort() {
  order_.sort([](const File& left, const File& right) { return left.last_used > right.last_used; });
}

}  // namespace imapfs::store
