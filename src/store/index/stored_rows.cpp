#include "imapfs/store/stored_rows.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace imapfs::store {
namespace {

constexpr std::size_t smallest_chunk = 1024;
constexpr std::size_t largest_chunk = 64 * 1024;

}  // namespace

char* StoredRows::room_for(std::size_t length) {
  if (length > left_in_chunk_) {
    // In proportion to the text so far: most batches are one new message.
    left_in_chunk_ = std::max(std::clamp(text_bytes_, smallest_chunk, largest_chunk), length);
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(left_in_chunk_));
    text_bytes_ += left_in_chunk_;
    next_ = chunks_.back().get();
  }
  left_in_chunk_ -= length;
  return std::exchange(next_, next_ + length);
}

void StoredRows::add(const MessageMeta& meta, const Headers& headers) {
  std::array<std::string_view, 5> texts = {meta.file_name, headers[0], headers[1], headers[2], headers[3]};
  auto& row = rows_.emplace_back();
  std::size_t total = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    texts[i] = texts[i].substr(0, std::numeric_limits<std::uint16_t>::max());
    row.lengths[i] = static_cast<std::uint16_t>(texts[i].size());
    total += texts[i].size();
  }
  char* next = room_for(total);
  row.text = next;
  for (const auto text : texts) next = std::copy(text.begin(), text.end(), next);
  row.size_is_exact = meta.size_is_exact;
  row.uid = meta.uid;
  row.internal_date = meta.internal_date;
  row.size = meta.size;
  row.modseq = meta.modseq;
  row.flags = meta.flags;
}

void StoredRows::add(const StoredMessage& message) {
  const auto& headers = message.headers;
  add(message.meta, {headers.from, headers.subject, headers.date, headers.message_id});
}

void StoredRows::remove(const UidSet& uids) {
  std::erase_if(rows_, [&](const Row& row) { return uids.contains(row.uid); });
}

void StoredRows::visit(const std::function<void(const StoredMessage&)>& visit_row) const {
  StoredMessage message;  // reused for all rows, so that its strings keep their memory
  auto& headers = message.headers;
  const std::array<std::string*, 5> texts = {&message.meta.file_name, &headers.from, &headers.subject, &headers.date,
                                             &headers.message_id};
  for (const auto& row : rows_) {
    const char* next = row.text;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      texts[i]->assign(next, row.lengths[i]);
      next += row.lengths[i];
    }
    message.meta.uid = row.uid;
    message.meta.internal_date = row.internal_date;
    message.meta.size = row.size;
    message.meta.size_is_exact = row.size_is_exact;
    message.meta.modseq = row.modseq;
    message.meta.flags = row.flags;
    visit_row(message);
  }
}

}  // namespace imapfs::store
