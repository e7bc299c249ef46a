#include "body_index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "imapfs/model/identity.hpp"

namespace imapfs::store {
namespace {

constexpr std::int64_t persist_uses_every = 60'000'000'000;

/// Reads digits of exactly the form fmt writes them: no sign, no leading zero in decimal, `width` digits in hex.
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

StoredBody BodyIndex::remove(Order::iterator place) {
  StoredBody body = *place;
  bytes_ -= body.length;
  by_key_.erase(body.key);
  order_.erase(place);
  return body;
}

std::optional<StoredBody> BodyIndex::insert(StoredBody body) {
  std::optional<StoredBody> replaced = take(body.key);
  body.generation = next_generation_++;
  bytes_ += body.length;
  order_.push_front(body);
  by_key_[body.key] = order_.begin();
  if (replaced && replaced->length == body.length && replaced->checksum == body.checksum) return std::nullopt;
  return replaced;
}

std::optional<StoredBody> BodyIndex::insert_found(StoredBody body) {
  std::optional<StoredBody> loser;
  if (const StoredBody* known = find(body.key)) {
    if (known->last_used >= body.last_used) return body;
    loser = take(body.key);
  }
  body.generation = next_generation_++;
  bytes_ += body.length;
  order_.push_back(body);
  by_key_[body.key] = std::prev(order_.end());
  return loser;
}

const StoredBody* BodyIndex::find(const HashedKey& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &*found->second;
}

bool BodyIndex::touch(const HashedKey& key, std::int64_t now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return false;
  StoredBody& body = *found->second;
  order_.splice(order_.begin(), order_, found->second);
  body.last_used = now;
  if (now - body.persisted_use < persist_uses_every) return false;
  body.persisted_use = now;
  return true;
}

void BodyIndex::set_verified(const HashedKey& key, std::uint64_t generation) {
  const auto found = by_key_.find(key);
  if (found != by_key_.end() && found->second->generation == generation) found->second->verified = true;
}

bool BodyIndex::erase(const HashedKey& key, std::uint64_t generation) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second->generation != generation) return false;
  remove(found->second);
  return true;
}

std::optional<StoredBody> BodyIndex::take(const HashedKey& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  return remove(found->second);
}

std::vector<StoredBody> BodyIndex::take_mailbox(std::uint64_t mailbox, std::optional<std::uint32_t> keep) {
  std::vector<StoredBody> taken;
  for (auto place = order_.begin(); place != order_.end();) {
    const auto next = std::next(place);
    if (place->key.mailbox == mailbox && place->key.uid_validity != keep) taken.push_back(remove(place));
    place = next;
  }
  return taken;
}

std::vector<StoredBody> BodyIndex::take_beyond(std::uint64_t limit, std::size_t most) {
  std::vector<StoredBody> taken;
  while (bytes_ > limit && order_.size() > 1 && taken.size() < most) taken.push_back(remove(std::prev(order_.end())));
  return taken;
}

void BodyIndex::sort() {
  order_.sort([](const StoredBody& left, const StoredBody& right) { return left.last_used > right.last_used; });
}

void BodyIndex::clear() {
  order_.clear();
  by_key_.clear();
  bytes_ = 0;
}

}  // namespace imapfs::store
