#pragma once
// Finds the end of an IMAP command's answer and does nothing else: counts octets, skips literals by their length, and
// looks for the line that begins with the tag. Keeps at most two short pieces of the current line. One thread.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace imapfs::bench {

class ResponseScanner {
 public:
  explicit ResponseScanner(std::string tag) : tag_(std::move(tag) + " ") {}

  /// True when the tagged line has been seen to its end.
  bool feed(std::span<const char> bytes) {
    octets_ += bytes.size();
    while (!bytes.empty() && !done_) {
      if (literal_left_ > 0) {
        const auto skipped = std::min<std::uint64_t>(literal_left_, bytes.size());
        literal_left_ -= skipped;
        bytes = bytes.subspan(skipped);
        continue;
      }
      const auto* end = static_cast<const char*>(std::memchr(bytes.data(), '\n', bytes.size()));
      const auto length = end == nullptr ? bytes.size() : static_cast<std::size_t>(end - bytes.data());
      keep({bytes.data(), length});
      if (end == nullptr) break;
      bytes = bytes.subspan(length + 1);
      end_line();
    }
    return done_;
  }

  [[nodiscard]] std::uint64_t octets() const { return octets_; }
  [[nodiscard]] std::uint64_t untagged() const { return untagged_; }
  /// Whether the tagged answer was OK.
  [[nodiscard]] bool ok() const { return std::string_view(head_).substr(tag_.size()).starts_with("OK"); }
  /// The beginning of the tagged line.
  [[nodiscard]] const std::string& answer() const { return head_; }

 private:
  static constexpr std::size_t head_limit = 120;
  static constexpr std::size_t tail_limit = 24;  ///< "{18446744073709551615}\r"

  void keep(std::string_view piece) {
    if (head_.size() < head_limit) head_ += piece.substr(0, head_limit - head_.size());
    tail_ += piece.substr(piece.size() - std::min(piece.size(), tail_limit));
    if (tail_.size() > tail_limit) tail_.erase(0, tail_.size() - tail_limit);
  }

  void end_line() {
    if (tail_.ends_with('\r')) tail_.pop_back();
    const bool literal = starts_literal();
    tail_.clear();
    if (literal) return;  // the response goes on after it
    if (head_.starts_with(tag_)) {
      done_ = true;
      return;
    }
    ++untagged_;
    head_.clear();
  }

  bool starts_literal() {
    const auto brace = tail_.rfind('{');
    if (brace == std::string::npos || !tail_.ends_with('}')) return false;
    const auto digits = std::string_view(tail_).substr(brace + 1, tail_.size() - brace - 2);
    if (digits.empty() || digits.size() > 19 || digits.find_first_not_of("0123456789") != std::string_view::npos)
      return false;
    literal_left_ = std::stoull(std::string(digits));
    return true;
  }

  const std::string tag_;
  std::string head_;
  std::string tail_;
  std::uint64_t literal_left_ = 0;
  std::uint64_t octets_ = 0;
  std::uint64_t untagged_ = 0;
  bool done_ = false;
};

}  // namespace imapfs::bench
