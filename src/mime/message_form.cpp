#include "imapfs/mime/message_form.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace imapfs::mime {
namespace {

/// RFC 5322 §2.1.1: the longest line. Nobody can search for a longer Message-ID.
constexpr std::size_t longest_message_id = 998;
constexpr std::string_view message_id_name = "message-id";
constexpr std::string_view mbox_prefix = "From ";

bool is_white_space(char octet) { return octet == ' ' || octet == '\t'; }

char lower(char octet) { return octet >= 'A' && octet <= 'Z' ? static_cast<char>(octet + ('a' - 'A')) : octet; }

/// RFC 5322 §3.6.8 ftext.
bool may_be_in_name(char octet) { return octet >= 33 && octet <= 126 && octet != ':'; }

const char* find(std::span<const char> octets, char wanted) {
  return octets.empty() ? nullptr : static_cast<const char*>(std::memchr(octets.data(), wanted, octets.size()));
}

}  // namespace

void MessageInspector::take(std::span<const char> octets) {
  if (reason_ || octets.empty()) return;
  const char* const nul = find(octets, '\0');
  scan(nul == nullptr ? octets : octets.first(static_cast<std::size_t>(nul - octets.data())));
  if (nul != nullptr && !reason_) reason_ = fmt::format("line {} holds a NUL, which no Internet message may", line_);
}

void MessageInspector::scan(std::span<const char> octets) {
  octets_ += octets.size();
  while (!octets.empty() && place_ != Place::body) {
    if (reason_) return;
    header_octet(octets.front());
    octets = octets.subspan(1);
  }
  while (!octets.empty()) {
    const char* const line_feed = find(octets, '\n');
    const auto length = line_feed == nullptr ? octets.size() : static_cast<std::size_t>(line_feed - octets.data());
    if (length > 0) after_carriage_return_ = octets[length - 1] == '\r';
    if (line_feed == nullptr) return;
    if (!after_carriage_return_) ++bare_line_feeds_;
    after_carriage_return_ = false;
    ++line_;
    octets = octets.subspan(length + 1);
  }
}

/// Only the byte after a CR shows whether the CR belongs to a line end.
void MessageInspector::header_octet(char octet) {
  const bool held = after_carriage_return_;
  after_carriage_return_ = octet == '\r';
  if (octet == '\n') {
    if (!held) ++bare_line_feeds_;
    return end_header_line();
  }
  if (held) line_octet('\r');
  if (octet != '\r') line_octet(octet);
}

void MessageInspector::line_octet(char octet) {
  switch (place_) {
    case Place::line_start:
      // RFC 5322 §2.2.3: a line that begins with white space continues the field before it.
      if (is_white_space(octet) && line_ > 1) {
        place_ = folded_message_id_ ? Place::message_id : Place::rest_of_line;
        return line_octet(octet);
      }
      name_length_ = 0;
      name_is_message_id_ = true;
      folded_message_id_ = false;
      place_ = Place::name;
      return name_octet(octet);
    case Place::name:
    case Place::before_colon: return name_octet(octet);
    case Place::message_id: return keep(octet);
    case Place::rest_of_line:
    case Place::body: return;
  }
}

void MessageInspector::name_octet(char octet) {
  if (line_ == 1 && mbox_prefix_ == name_length_ && mbox_prefix_ < mbox_prefix.size() &&
      octet == mbox_prefix[mbox_prefix_]) {
    ++mbox_prefix_;
  }
  if (octet == ':' && name_length_ > 0) return end_name();
  if (place_ == Place::name && may_be_in_name(octet)) {
    name_is_message_id_ = name_is_message_id_ && name_length_ < message_id_name.size() &&
                          lower(octet) == message_id_name[name_length_];
    ++name_length_;
    return;
  }
  if (is_white_space(octet) && name_length_ > 0) {
    place_ = Place::before_colon;
    return;
  }
  // This line is no field. Servers accept such lines inside a header, but a file that begins with one is no message.
  if (line_ == 1) refuse_first_line();
  place_ = Place::rest_of_line;
}

void MessageInspector::end_name() {
  const bool wanted = name_is_message_id_ && name_length_ == message_id_name.size() && message_id_.empty();
  folded_message_id_ = wanted;
  place_ = wanted ? Place::message_id : Place::rest_of_line;
}

void MessageInspector::end_header_line() {
  const bool field_is_cut_off = place_ == Place::line_start || place_ == Place::name || place_ == Place::before_colon;
  if (line_ == 1 && field_is_cut_off) return refuse_first_line();
  place_ = place_ == Place::line_start ? Place::body : Place::line_start;
  ++line_;
}

void MessageInspector::keep(char octet) {
  if (message_id_.empty() && is_white_space(octet)) return;
  if (message_id_.size() < longest_message_id) message_id_ += octet;
}

void MessageInspector::refuse_first_line() {
  if (mbox_prefix_ == mbox_prefix.size()) {
    reason_ =
        "line 1 begins with \"From \", as in an mbox file: remove this line, and give each message of an mbox a file "
        "of its own";
  } else {
    reason_ = "line 1 does not begin with a header field such as \"Subject:\"";
  }
}

Result<MessageForm> MessageInspector::finish() const {
  auto refusal = reason_;
  if (!refusal && octets_ == 0) refusal = "there is nothing in it";
  if (!refusal && line_ == 1 &&
      (place_ == Place::line_start || place_ == Place::name || place_ == Place::before_colon)) {
    MessageInspector ended = *this;
    ended.refuse_first_line();
    refusal = ended.reason_;
  }
  if (refusal) return fail(EINVAL, "not an Internet message: {}", *refusal);
  MessageForm form;
  form.canonical_size = octets_ + bare_line_feeds_;
  form.needs_conversion = bare_line_feeds_ > 0;
  form.message_id = message_id_;
  while (!form.message_id.empty() && (is_white_space(form.message_id.back()) || form.message_id.back() == '\r'))
    form.message_id.pop_back();
  return form;
}

std::size_t LineEndCanonicalizer::convert(std::span<const char> input, std::size_t& consumed, std::span<char> output) {
  consumed = 0;
  std::size_t written = 0;
  while (consumed < input.size() && written < output.size()) {
    const auto room = std::min(input.size() - consumed, output.size() - written);
    const auto part = input.subspan(consumed, room);
    const char* const line_feed = find(part, '\n');
    const auto length = line_feed == nullptr ? part.size() : static_cast<std::size_t>(line_feed - part.data());
    if (length > 0) {
      std::memcpy(output.data() + written, part.data(), length);
      after_carriage_return_ = part[length - 1] == '\r';
      consumed += length;
      written += length;
    }
    if (line_feed == nullptr) continue;
    // Write the CR now; the next turn writes the LF.
    if (!after_carriage_return_) {
      output[written++] = '\r';
      after_carriage_return_ = true;
      continue;
    }
    output[written++] = '\n';
    ++consumed;
    after_carriage_return_ = false;
  }
  return written;
}

}  // namespace imapfs::mime
