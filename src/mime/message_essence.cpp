#include "imapfs/mime/message_essence.hpp"

#include <algorithm>
#include <utility>

namespace imapfs::mime {
namespace {

constexpr std::size_t longest_header = 1 << 20;
constexpr std::size_t text_at_once = 64 << 10;

}  // namespace

void MessageEssence::take(std::span<const char> octets) {
  for (const char octet : octets) {
    if (octet == '\n') {
      after_carriage_return_ = false;
      take_line_end();
      continue;
    }
    if (after_carriage_return_) take_text("\r");
    after_carriage_return_ = octet == '\r';
    if (!after_carriage_return_) take_text({&octet, 1});
  }
}

void MessageEssence::take_line_end() {
  if (in_text_) {
    ++line_ends_;
  } else if (line_.empty()) {
    in_text_ = true;
  } else {
    header_.push_back(std::exchange(line_, {}));
  }
}

void MessageEssence::take_text(std::string_view text) {
  if (!in_text_) {
    if ((header_octets_ += text.size()) <= longest_header) line_ += text;
    return;
  }
  for (; line_ends_ > 0; --line_ends_) add_to_digest('\n');
  for (const char octet : text) add_to_digest(octet);
}

void MessageEssence::add_to_digest(char octet) {
  text_ += octet;
  if (text_.size() < text_at_once) return;
  digest_.take(text_);
  text_.clear();
}

void MessageEssence::finish() {
  if (after_carriage_return_) take_text("\r");
  if (!line_.empty()) take_line_end();
  std::sort(header_.begin(), header_.end());
  digest_.take(text_);
  digest_of_text_ = digest_.finish();
}

bool MessageEssence::is_in(const MessageEssence& other) const {
  if (header_octets_ > longest_header || other.header_octets_ > longest_header) return false;
  return digest_of_text_ == other.digest_of_text_ &&
         std::includes(other.header_.begin(), other.header_.end(), header_.begin(), header_.end());
}

}  // namespace imapfs::mime
