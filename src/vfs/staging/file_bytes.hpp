#pragma once
// Reading and writing of staged files.
//
// A write with O_APPEND goes to the end of the content, wherever the kernel believes that to be. A change of an open
// file that fails makes a part of it, which is not uploaded. Thread "staging".

#include <cstdint>

#include "vfs/staging/content_loader.hpp"
#include "vfs/staging/staged_news.hpp"

namespace imapfs::vfs {

class FileBytes {
 public:
  struct Dependencies {
    sync::BodyReader& bodies;
    StagedFiles& files;
    StagingLimits& limits;
    const ContentLoader& loader;
    const OriginalMessages& originals;
    ShownFiles& shown;
    const StagedNews& kernel;
    StagingThread& thread;
  };
  explicit FileBytes(const Dependencies& dependencies) : use_(dependencies) {}

  void read(const ReadRequest& request, const Reply<ReadResult>& reply) const;
  void write(const WriteRequest& request, const Reply<std::size_t>& reply) const;
  void truncate(NodeId node, std::uint64_t size, const Reply<void>& reply) const;
  void allocate(NodeId node, std::uint64_t offset, std::uint64_t length, const Reply<void>& reply) const;
  /// Somebody means to write so many bytes: a shorter file that is closed is not whole yet.
  void reserve(NodeId node, std::uint64_t size, const Reply<void>& reply) const;

 private:
  void read_source(const StagedFilePtr& file, const ReadRequest& request, const Reply<ReadResult>& reply) const;
  void write_idle(const StagedFilePtr& file, const WriteRequest& request, const Reply<std::size_t>& reply) const;
  void truncate_idle(const StagedFilePtr& file, std::uint64_t size, const Reply<void>& reply) const;
  void allocate_idle(const StagedFilePtr& file, std::uint64_t offset, std::uint64_t length,
                     const Reply<void>& reply) const;
  static void note_write(StagedFile& file, const WriteRequest& request);
  void changed(StagedFile& file) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
