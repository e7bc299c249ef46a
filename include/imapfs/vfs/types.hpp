#pragma once
// The values the file-system operations take and give: nodes, attributes, pages of a directory, results of open and
// read.
//
// Plain values in terms of POSIX and of IMAP, none of FUSE. No thread affinity.

#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/sync/body_reader.hpp"

namespace imapfs::vfs {

/// What the kernel calls an inode (fuse_ino_t); it carries its meaning, see node_id.hpp.
using NodeId = Strong<struct NodeIdTag, std::uint64_t>;
/// fuse_file_info::fh. For messages it is the UIDVALIDITY at open, so that it means the same in a new process.
using HandleId = std::uint64_t;
/// Chosen by the caller, unique among requests in flight; 0: cannot be cancelled.
using RequestId = std::uint64_t;
/// Called exactly once: within the call when memory has the answer, else from one of sync's threads. No lock is held.
template <class T>
using Reply = Completion<T>;
using BodySlice = sync::BodySlice;

/// Who asks. `announcer` is true for the daemon's own thread that raises inotify events (announcements.hpp).
struct Caller {
  pid_t thread = 0;
  /// Thread group of `thread`, for the operations that ask for it (create, open for writing, flush); 0: not known.
  pid_t process = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  bool announcer = false;
  /// flush: a signal is ending the process, and the kernel closes the file for it.
  bool killed = false;
  RequestId request = 0;
  /// For changes of names, which hold a directory in the kernel: false once the request has been answered without us
  /// (its deadline has passed, it was killed). A change that has not begun then must not happen any more. Empty: it
  /// waits.
  std::function<bool()> still_waits{};
  [[nodiscard]] bool waits() const { return !still_waits || still_waits(); }
  /// Until then a change that cannot be carried out in time is to be answered, if it is safe in the journal.
  Deadline answer_by = Deadline::max();
};

/// Of a change whose request was answered before it could begin. Nobody reads it.
[[nodiscard]] inline Error given_up() {
  return {ECANCELED, Scope::request, Retry::never, "whoever wanted the change has given up"};
}

struct Timestamp {
  UnixTime seconds = 0;
  std::uint32_t nanoseconds = 0;
  bool operator==(const Timestamp&) const = default;
};

/// struct stat without its padding. atime = mtime = ctime = `time`.
struct Attributes {
  InodeId inode;
  mode_t mode = 0;  ///< type and permissions
  std::uint32_t links = 1;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;  ///< of 512 bytes
  std::uint32_t block_size = 128 * 1024;
  Timestamp time;
  bool operator==(const Attributes&) const = default;
};

/// Attributes and how long the kernel may trust them.
struct AttributesReply {
  Attributes attributes;
  std::chrono::milliseconds timeout{0};
};

/// A name that exists. `generation` is constant for as long as the node means the same thing: UIDVALIDITY for messages,
/// so that the kernel never shows cached pages of an earlier message that had the same UID; 1 for everything else.
struct Entry {
  NodeId node;
  std::uint64_t generation = 1;
  Attributes attributes;
  std::chrono::milliseconds entry_timeout{0};
  std::chrono::milliseconds attribute_timeout{0};
};

/// `whole` is set when the body is on disk, small (Settings::push_limit) and was not pushed since the kernel forgot the
/// node: the caller may store it into the page cache before it replies.
struct OpenResult {
  HandleId handle = 0;
  bool keep_cache = false;
  bool direct_io = false;
  bool nonseekable = false;
  bool no_flush = false;
  /// The length differs from the size a stat before this open has shown. Invalidate the node's attributes before the
  /// reply, or the reader sees the end of the file too early.
  bool size_corrected = false;
  std::optional<BodySlice> whole;
};

struct ReadRequest {
  NodeId node;
  HandleId handle = 0;
  std::uint64_t offset = 0;
  std::size_t size = 0;
  int flags = 0;  ///< of the open file at this moment (O_NONBLOCK)
};
/// Owned bytes, or a place in a file to splice from. Shorter than asked only at the end (or for events).
struct ReadResult {
  ReadResult(std::string bytes) : content(std::move(bytes)) {}
  ReadResult(BodySlice slice) : content(std::move(slice)) {}
  std::variant<std::string, BodySlice> content;
  /// The file is longer than the kernel was told. Invalidate the node's attributes before the reply, or the reader
  /// sees the end of the file too early.
  bool size_corrected = false;
};

/// `keep_cache`: nothing changed since the last opendir, the kernel's cached listing is exact.
struct OpenDirectoryResult {
  HandleId handle = 0;
  bool cache_readdir = false;
  bool keep_cache = false;
};

struct ListRequest {
  NodeId node;
  std::uint64_t cookie = 0;  ///< of the last entry seen; 0: from the start
  std::size_t limit = 128;   ///< entries; at most max_page_entries are given
  bool plus = false;         ///< the caller makes nodes known to the kernel from this page
};
inline constexpr std::size_t max_page_entries = 4096;

/// `plus` is false for "." and "..": in readdirplus they are answered with node id 0.
struct DirectoryEntry {
  std::string name;
  std::uint64_t cookie = 0;
  bool plus = false;
  Entry entry;
};
/// Empty means the end of the directory. An entry that does not fit the caller's buffer is asked for again by cookie.
using DirectoryPage = std::vector<DirectoryEntry>;

struct StatFs {
  std::uint64_t block_size = 1024;
  std::uint64_t blocks = 0;
  std::uint64_t blocks_free = 0;
  std::uint32_t name_max = 255;
};

struct RenameRequest {
  NodeId parent;
  std::string name;
  NodeId new_parent;
  std::string new_name;
  unsigned flags = 0;
};

struct WriteRequest {
  NodeId node;
  HandleId handle = 0;
  std::uint64_t offset = 0;
  std::string data;
  /// O_APPEND: the data goes to the end of the content, and `offset` is only where the caller believes that to be.
  bool append = false;
};

/// copy_file_range(2). Both handles are open files of this mount.
struct CopyRangeRequest {
  NodeId source;
  HandleId source_handle = 0;
  std::uint64_t source_offset = 0;
  NodeId target;
  HandleId target_handle = 0;
  std::uint64_t target_offset = 0;
  std::uint64_t length = 0;
};

/// What setattr is asked to set.
struct AttributeChanges {
  std::optional<mode_t> mode;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::uint64_t> size;
  std::optional<Timestamp> access_time;
  std::optional<Timestamp> modification_time;
};

struct CreateResult {
  Entry entry;
  OpenResult open;
};

/// What the mount was told by its options, and where the control files get what other layers know.
struct Settings {
  uid_t uid = ::getuid();
  gid_t gid = ::getgid();
  mode_t umask = 0;
  /// allow_other: what the owner may do, everybody may, less `umask`.
  bool shared = false;
  /// Long and exact: changes reach the kernel by notification (change_publisher.hpp).
  std::chrono::seconds timeout = std::chrono::hours(24);
  std::uint64_t push_limit = 1 << 20;
  /// Bytes of staged files in all; more is ENOSPC.
  std::uint64_t staging_limit = 2ULL << 30;
  /// So long the rest of a file may come that was closed before it was whole.
  std::chrono::seconds rest_patience = std::chrono::minutes(10);
  /// Flags that new messages get (append-flags=).
  FlagSet append_flags;
  bool read_only = false;
  /// `/.imapfs/requests` and `/.imapfs/config`; must not block and must hold no secrets. May be empty.
  std::function<nlohmann::json()> requests;
  std::function<nlohmann::json()> configuration;
};

}  // namespace imapfs::vfs
