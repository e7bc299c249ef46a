#pragma once
// Rows on their way into the index, packed: a listing has hundreds of thousands, and each would otherwise need six
// strings.
//
// About eighty bytes per row plus its text. A value without thread affinity.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "imapfs/model/types.hpp"

namespace imapfs::store {

/// A row with the raw header fields that xattrs show; they are decoded when somebody asks.
struct StoredMessage {
  MessageMeta meta;
  MessageHeaders headers;
};

class StoredRows {
 public:
  /// Header fields in the order of MessageHeaders. Texts are cut to 65,535 bytes.
  using Headers = std::array<std::string_view, 4>;

  void add(const MessageMeta& meta, const Headers& headers);
  void add(const StoredMessage& message);
  void remove(const UidSet& uids);
  /// Calls `row` for each row in the order added; its argument is valid during the call.
  void visit(const std::function<void(const StoredMessage&)>& row) const;

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::size_t memory_bytes() const { return rows_.size() * sizeof(Row) + text_bytes_; }

 private:
  struct Row {
    const char* text = nullptr;              ///< the name and the header fields, one after the other
    std::array<std::uint16_t, 5> lengths{};  ///< of these texts
    bool size_is_exact = false;
    Uid uid;
    UnixTime internal_date = 0;
    std::uint64_t size = 0;
    ModSeq modseq;
    FlagSet flags;
  };

  [[nodiscard]] char* room_for(std::size_t length);

  std::vector<Row> rows_;
  std::vector<std::unique_ptr<char[]>> chunks_;  ///< of text; they never move
  std::size_t left_in_chunk_ = 0;
  char* next_ = nullptr;
  std::size_t text_bytes_ = 0;
};

}  // namespace imapfs::store
