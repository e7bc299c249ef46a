#include "sync/changes/sent_content.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <tuple>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/content_digest.hpp"
#include "imapfs/mime/message_essence.hpp"
#include "sync/changes/upload_source.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t compared_block = 256 * 1024;
/// Of one look: others of the same length that come at the same time are few.
constexpr std::size_t most_bodies = 16;
constexpr std::uint64_t most_bytes = 64ULL << 20;
/// Courier ends a last line that has no end.
constexpr std::string_view added_line_end = "\r\n";

/// The digest of the first `size` bytes of a body, and what follows them.
class ComparedBody final : public imap::BodySink {
 public:
  explicit ComparedBody(const store::JournalChange& change) : change_(change) {}

  Result<void> begin(std::uint64_t length) override {
    length_ = length;
    return {};
  }
  Result<void> data(std::span<const char> bytes) override {
    essence_.take(bytes);
    const auto wanted = std::min<std::uint64_t>(bytes.size(), change_.size - taken_);
    digest_.take(bytes.first(wanted));
    taken_ += wanted;
    const auto beyond = bytes.subspan(wanted);
    beyond_.append(beyond.data(), std::min(beyond.size(), added_line_end.size() + 1 - beyond_.size()));
    return {};
  }
  [[nodiscard]] bool is_what_was_sent() {
    if (taken_ != change_.size || (!beyond_.empty() && beyond_ != added_line_end)) return false;
    return digest_.finish() == change_.digest;
  }
  [[nodiscard]] std::uint64_t length() const { return length_; }
  [[nodiscard]] const mime::MessageEssence& essence() {
    essence_.finish();
    return essence_;
  }

 private:
  const store::JournalChange& change_;
  mime::ContentDigest digest_;
  mime::MessageEssence essence_;
  std::uint64_t length_ = 0;
  std::uint64_t taken_ = 0;
  std::string beyond_;
};

bool has_its_name(const store::JournalChange& change, const ArrivalCandidate& candidate) {
  return !change.message_id.empty() && change.message_id == candidate.message_id;
}

/// A server that writes messages anew gives them other bytes: then Message-ID and date must do, or the UID it told.
bool may_be_rewritten(const store::JournalChange& change, const ArrivalCandidate& candidate, bool told) {
  const bool same_date = change.internal_date && *change.internal_date == candidate.internal_date;
  return has_its_name(change, candidate) && (told || same_date);
}

bool may_be_it(const store::JournalChange& change, const ArrivalCandidate& candidate) {
  const bool fits = candidate.size == change.size || candidate.size == change.size + added_line_end.size();
  return fits || has_its_name(change, candidate) || change.message_id.empty();
}

/// Where a server changes what it is given: another size than that of the message that is replaced. Its old text under
/// a new UID, with the date that was asked for, would look rewritten.
bool differs_from_replaced(const store::JournalChange& change, const MailboxPointer& destination, std::uint64_t size) {
  auto& replica = destination->replica;
  if (change.replaces.uid.value == 0 || change.replaces.mailbox != replica.identity().name) return true;
  const auto replaced = replica.messages().find(change.replaces.uid);
  return replaced && replaced->size != size;
}

/// The likeliest first.
void sort_by_likeness(const store::JournalChange& change, std::vector<ArrivalCandidate>& candidates) {
  const auto rank = [&](const ArrivalCandidate& candidate) {
    return std::pair(!has_its_name(change, candidate), candidate.size != change.size);
  };
  std::sort(candidates.begin(), candidates.end(), [&](const auto& left, const auto& right) {
    return std::tuple(rank(left), left.uid) < std::tuple(rank(right), right.uid);
  });
}

/// Gives `take` a staged file as APPEND sends it, piece by piece.
Result<void> read_staged(const std::string& staging_path, const std::function<void(std::span<const char>)>& take) {
  auto source = IMAPFS_TRY(StagedSource::open(staging_path, StagedSource::any_size));
  std::string buffer(compared_block, '\0');
  while (const auto length = IMAPFS_TRY(source->read(buffer))) take(std::span(buffer).first(length));
  return {};
}

/// False if the staged file is another by now.
Result<bool> is_sent_in(const mime::MessageEssence& kept, const store::JournalChange& change,
                        const CommandDependencies& dependencies) {
  mime::ContentDigest digest;
  mime::MessageEssence sent;
  IMAPFS_TRY(read_staged(dependencies.journal.staging_path(change.staged), [&](std::span<const char> bytes) {
    digest.take(bytes);
    sent.take(bytes);
  }));
  sent.finish();
  return digest.finish() == change.digest && sent.is_in(kept);
}

/// Nothing if it is not what was sent, or gone. `told`: the server has named its UID.
Result<std::optional<ArrivalCandidate>> fetch_and_compare(imap::Session& session, const MailboxPointer& destination,
                                                          const store::JournalChange& change,
                                                          const ArrivalCandidate& candidate, bool told,
                                                          const CommandDependencies& dependencies,
                                                          const CallContext& context) {
  ComparedBody body(change);
  const auto fetched = session.fetch_body(candidate.uid, std::nullopt, body, context);
  if (!fetched && fetched.error().lost_connection()) return fail(fetched.error());
  if (!fetched) return std::nullopt;
  if (body.is_what_was_sent()) return candidate;
  const bool may_be_old = !differs_from_replaced(change, destination, candidate.size) ||
                          !differs_from_replaced(change, destination, body.length());
  if (may_be_old || body.length() == change.size) return std::nullopt;
  const bool rewrites = session.traits().has(imap::Quirk::wrong_sizes) && may_be_rewritten(change, candidate, told);
  if (rewrites || IMAPFS_TRY(is_sent_in(body.essence(), change, dependencies))) return candidate;
  return std::nullopt;
}

auto claim_in(const MailboxPointer& destination, const store::JournalChange& change,
              const CommandDependencies& dependencies) {
  return [&](Uid uid) {
    return dependencies.own_arrivals.claim({destination->replica.identity().name, change.destination_validity, uid});
  };
}

}  // namespace

Result<SentContent> content_to_send(const std::string& staging_path) {
  mime::ContentDigest digest;
  SentContent content;
  IMAPFS_TRY(read_staged(staging_path, [&](std::span<const char> bytes) {
    digest.take(bytes);
    content.size += bytes.size();
  }));
  content.digest = digest.finish();
  return content;
}

bool was_sent_by(const store::JournalChange& change, const SentContent& content) {
  return content.size == change.size && (change.digest.empty() || content.digest == change.digest);
}

Result<Uid> find_sent(imap::Session& session, const MailboxPointer& destination, const store::JournalChange& change,
                      std::vector<ArrivalCandidate> candidates, const CommandDependencies& dependencies,
                      const CallContext& context) {
  const auto claimed = claim_in(destination, change, dependencies);
  if (change.digest.empty()) {
    const auto found = match_arrivals({&change}, std::move(candidates)).front();
    return found.value != 0 && claimed(found) ? found : Uid{};
  }
  std::erase_if(candidates, [&](const auto& candidate) { return !may_be_it(change, candidate); });
  sort_by_likeness(change, candidates);
  if (candidates.size() > most_bodies) candidates.resize(most_bodies);
  std::uint64_t bytes = 0;
  for (const auto& candidate : candidates) {
    bytes += candidate.size;
    if (bytes > most_bytes + change.size) break;
    const auto found = IMAPFS_TRY_WHILE(
        "compare", fetch_and_compare(session, destination, change, candidate, false, dependencies, context));
    if (found && claimed(found->uid)) return found->uid;
  }
  return Uid{};
}

Result<Uid> find_accepted(imap::Session& session, const MailboxPointer& destination, const store::JournalChange& change,
                          Uid told, std::vector<ArrivalCandidate> candidates, const CommandDependencies& dependencies,
                          const CallContext& context) {
  const auto claimed = claim_in(destination, change, dependencies);
  const auto by_size = std::find_if(candidates.begin(), candidates.end(), [&](const auto& candidate) {
    if (candidate.message_id != change.message_id) return false;
    return told.value != 0 ? candidate.uid == told && candidate.size == change.size : is_alike(change, candidate);
  });
  if (by_size != candidates.end() && differs_from_replaced(change, destination, change.size))
    return claimed(by_size->uid) ? by_size->uid : Uid{};
  const auto named = std::find_if(candidates.begin(), candidates.end(),
                                  [&](const auto& candidate) { return candidate.uid == told; });
  if (named != candidates.end()) {
    const auto found = IMAPFS_TRY_WHILE(
        "compare", fetch_and_compare(session, destination, change, *named, true, dependencies, context));
    if (found && claimed(told)) return told;
    candidates.erase(named);
  }
  return find_sent(session, destination, change, std::move(candidates), dependencies, context);
}

}  // namespace imapfs::sync
