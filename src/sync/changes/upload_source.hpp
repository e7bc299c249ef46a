#pragma once
// A staged file as APPEND wants it: bare LF becomes CRLF, in constant memory. One thread.

#include <memory>
#include <string>

#include "imapfs/imap/session.hpp"
#include "imapfs/mime/message_form.hpp"

namespace imapfs::sync {

class StagedSource final : public imap::AppendSource {
 public:
  static constexpr std::uint64_t any_size = UINT64_MAX;
  /// `size` is the length with CRLF line ends; a file that turns out to have another is refused while it is read.
  static Result<std::unique_ptr<StagedSource>> open(const std::string& path, std::uint64_t size);
  ~StagedSource() override;
  StagedSource(const StagedSource&) = delete;
  StagedSource& operator=(const StagedSource&) = delete;

  [[nodiscard]] std::uint64_t size() const override { return size_; }
  Result<std::size_t> read(std::span<char> buffer) override;

 private:
  StagedSource(int descriptor, std::string path, std::uint64_t size);
  Result<void> fill();

  const int descriptor_;
  const std::string path_;
  const std::uint64_t size_;
  std::uint64_t given_ = 0;
  std::string raw_;
  std::size_t taken_ = 0;  ///< of raw_
  mime::LineEndCanonicalizer line_ends_;
  bool at_end_ = false;
};

/// The header of a staged file, with CRLF line ends; empty if it cannot be read. At most 64 KiB.
[[nodiscard]] std::string staged_header(const std::string& path);

}  // namespace imapfs::sync
