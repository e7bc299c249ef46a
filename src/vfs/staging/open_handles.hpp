#pragma once
// Who has one staged file open, and what came through each of the handles.
//
// A value of the thread "staging"; no lock.

#include <sys/types.h>

#include <map>

#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

class OpenHandles {
 public:
  struct Open {
    pid_t process = 0;
    bool writes = false;
    bool wrote = false;  ///< bytes, or emptied the file
    /// Its opener has closed it, or a copy of it, since the last write.
    bool flushed = false;
    /// It was open when StagedFile::as_written was put aside: its offsets are those of these bytes.
    bool from_before = false;
  };

  void add(HandleId handle, pid_t process, bool writes);
  /// False if it was not there.
  bool remove(HandleId handle) { return opens_.erase(handle) != 0; }
  [[nodiscard]] bool empty() const { return opens_.empty(); }
  /// Null if there is no such handle; valid until it is removed.
  [[nodiscard]] Open* find(HandleId handle);

  /// By somebody who has not closed it yet. The kernel's RELEASE comes after close(2) has returned and says nothing.
  [[nodiscard]] bool is_being_written() const;
  /// Whether another handle than this one is open for writing.
  [[nodiscard]] bool others_write(HandleId handle) const;
  /// Whether what is in the file came through other handles, which are still open.
  [[nodiscard]] bool is_others_work(HandleId handle) const;
  /// The bytes are put aside: all who have the file open go by the offsets of these.
  void keep_offsets();

 private:
  std::map<HandleId, Open> opens_;
};

}  // namespace imapfs::vfs
