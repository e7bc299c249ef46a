#include "imap/wire/unsolicited_responses.hpp"

#include <algorithm>
#include <utility>

#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

constexpr std::size_t most_enabled = 64;

}  // namespace

Result<void> UnsolicitedResponses::take(const Response& response) {
  const auto kind = status_kind(response.name);
  if (!kind) return take_data(response);
  auto answer = parse_status_text(*kind, reader_.rest());
  take_codes(answer);
  if (answer.kind == Answer::Kind::bye) bye_ = std::move(answer);
  return {};
}

void UnsolicitedResponses::take_codes(const Answer& answer) {
  if (answer.code == "CAPABILITY") capabilities_ = parse_capability_words(answer.code_data);
  if (answer.code == "ALERT") telemetry::warning("server alert: {}", telemetry::printable(answer.text));
  if (answer.code == "NOTIFICATIONOVERFLOW" && listener_ != nullptr) listener_->on_mailbox_list_changed();
  if (answer.kind != Answer::Kind::ok || answer.code.empty()) return;
  if (code_listener_) code_listener_(answer);
  if (answer.code != "HIGHESTMODSEQ" || listener_ == nullptr) return;
  if (const auto modseq = parse_number(answer.code_data); modseq && *modseq > 0) {
    listener_->on_highest_modseq(ModSeq{*modseq});
    ++delivered_;
  }
}

Result<void> UnsolicitedResponses::take_data(const Response& response) {
  if (response.is("CAPABILITY")) {
    capabilities_ = parse_capability_words(reader_.rest());
    return {};
  }
  if (response.is("ENABLED")) {
    // One response is enough; many must not make the set grow without bound.
    auto words = parse_capability_words(reader_.rest());
    if (enabled_.size() < most_enabled) enabled_.merge(std::move(words));
    return {};
  }
  if (response.is("EXISTS") && response.number && *response.number <= UINT32_MAX)
    most_exist_ = std::max(most_exist_, static_cast<std::uint32_t>(*response.number));
  if (listener_ == nullptr) return {};
  return take_news(response);
}

Result<void> UnsolicitedResponses::take_news(const Response& response) {
  if (response.is("EXISTS") && response.number && *response.number <= UINT32_MAX) {
    listener_->on_exists(static_cast<std::uint32_t>(*response.number));
  } else if (response.is("EXPUNGE") && response.number) {
    listener_->on_expunge();
  } else if (response.is("VANISHED")) {
    return deliver_vanished();
  } else if (response.is("FETCH") && response.number) {
    listener_->on_fetch(IMAPFS_TRY(fetch_parser_.parse(reader_, nullptr)));
  } else if (response.is("STATUS")) {
    return deliver_status_row();
  } else if (response.is("LIST")) {
    listener_->on_mailbox_list_changed();
  } else {
    return {};
  }
  ++delivered_;
  return {};
}

void UnsolicitedResponses::deliver_fetch(const FetchRow& row) {
  if (listener_ == nullptr) return;
  listener_->on_fetch(row);
  ++delivered_;
}

Result<void> UnsolicitedResponses::deliver_vanished() {
  if (reader_.peek() == '(') {  // a late (EARLIER) does no harm: the UIDs are gone either way
    IMAPFS_TRY(reader_.skip_value());
    reader_.skip_spaces();
  }
  const auto uids = IMAPFS_TRY(parse_uid_set(reader_));
  if (uids.empty()) return {};
  listener_->on_vanished(uids);
  ++delivered_;
  return {};
}

void UnsolicitedResponses::deliver_status(const WireName& name, const MailboxStatus& status) {
  if (listener_ == nullptr || name.empty()) return;
  listener_->on_status(name, status);
  ++delivered_;
}

Result<void> UnsolicitedResponses::deliver_status_row() {
  auto name = IMAPFS_TRY(parse_name_before(reader_, Following::list));
  const auto status = IMAPFS_TRY(parse_status_items(reader_));
  if (name) deliver_status(name_reader_ ? name_reader_(std::move(*name)) : std::move(*name), status);
  return {};
}

std::optional<std::set<std::string>> UnsolicitedResponses::take_capabilities() {
  return std::exchange(capabilities_, std::nullopt);
}

std::set<std::string> UnsolicitedResponses::take_enabled() { return std::exchange(enabled_, {}); }

}  // namespace imapfs::imap
