#pragma once
// The Body of a message that is completely on disk.

#include <algorithm>
#include <memory>
#include <utility>

#include "imapfs/store/message_cache.hpp"
#include "imapfs/sync/body_reader.hpp"

namespace imapfs::sync {

class CachedBody : public Body {
 public:
  explicit CachedBody(std::shared_ptr<store::BodyFile> file) : file_(std::move(file)) {}
  [[nodiscard]] std::uint64_t length() const override { return file_->length(); }
  [[nodiscard]] bool whole() const override { return true; }
  void read(std::uint64_t offset, std::size_t length, Completion<BodySlice> done) override {
    const auto begin = std::min(offset, file_->length());
    const auto size = std::min<std::uint64_t>(length, file_->length() - begin);
    done(BodySlice{file_->descriptor(), file_->offset() + begin, static_cast<std::size_t>(size), file_});
  }

 private:
  const std::shared_ptr<store::BodyFile> file_;
};

}  // namespace imapfs::sync
