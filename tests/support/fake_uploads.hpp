#pragma once
// Files that are appended to a fake account's mailboxes. Thread-safe.

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fake_arrivals.hpp"
#include "imapfs/store/journal.hpp"

namespace imapfs::testing {

class FakeUploads {
 public:
  /// `arrivals` outlives it.
  explicit FakeUploads(FakeArrivals& arrivals) : arrivals_(arrivals) {}

  /// The bytes of uploads are found there; files that were appended are forgotten there. Without one they have none.
  void set_journal(std::shared_ptr<store::Journal> journal) {
    const std::lock_guard guard(mutex_);
    journal_ = std::move(journal);
  }
  [[nodiscard]] std::vector<sync::Upload> all() const {
    const std::lock_guard guard(mutex_);
    return uploads_;
  }
  /// It is asked for.
  void add(const sync::Upload& upload) {
    const std::lock_guard guard(mutex_);
    uploads_.push_back(upload);
  }
  /// It is carried out.
  Result<sync::Arrival> append(const sync::Upload& upload) {
    MessageMeta meta;
    meta.size = upload.canonical_size;
    meta.size_is_exact = true;
    meta.flags = upload.flags;
    meta.internal_date = upload.internal_date.value_or(1700000000);
    std::optional<FakeText> body;
    if (const auto staged = journal()) {
      body = FakeText{canonical(content_of(staged->staging_path(upload.staged)))};
      if (auto forgotten = staged->unstage(upload.staged); !forgotten) return fail(forgotten.error());
    }
    return arrivals_.arrive(std::move(meta), body, upload.target);
  }

 private:
  [[nodiscard]] std::shared_ptr<store::Journal> journal() const {
    const std::lock_guard guard(mutex_);
    return journal_;
  }
  /// With CRLF, as APPEND sends it.
  static std::string canonical(const std::string& text) {
    std::string lines;
    for (const char byte : text) {
      if (byte == '\n' && !lines.ends_with('\r')) lines += '\r';
      lines += byte;
    }
    return lines;
  }
  static std::string content_of(const std::string& path) {
    std::string text;
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return text;
    char buffer[4096];
    for (ssize_t count = 0; (count = ::read(file, buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(count));
    }
    ::close(file);
    return text;
  }

  FakeArrivals& arrivals_;
  mutable std::mutex mutex_;
  std::vector<sync::Upload> uploads_;
  std::shared_ptr<store::Journal> journal_;
};

}  // namespace imapfs::testing
