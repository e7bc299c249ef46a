#pragma once
// What tools send when they work on files, one call per operation, each by a process.

#include <fcntl.h>

#include <string>

#include "writing_situation.hpp"

namespace imapfs::vfs {

inline const std::string mail = "From: anna\r\nMessage-ID: <1@example.org>\r\n\r\nHello\r\n";

/// For situations with settings of their own.
struct JournalOfATest {
  imapfs::testing::TemporaryDirectory directory;
  std::shared_ptr<store::Journal> journal = *store::Journal::open(directory.path(), "anna@mail.example.org");
};

struct OpenFile {
  NodeId node;
  HandleId handle = 0;
};

struct Files : Writing {
  static Caller caller(pid_t process) {
    Caller caller;
    caller.process = process;
    return caller;
  }

  int create_error(const std::string& path, OpenFile* file = nullptr, pid_t process = 1) {
    const auto [parent, base] = at(path);
    return create_error(parent, base, file, process);
  }
  int create_error(NodeId parent, const std::string& base, OpenFile* file = nullptr, pid_t process = 1) {
    Answer<CreateResult> answer;
    filesystem.create(caller(process), parent, base, 0600, answer.reply());
    if (answer.wait().error() == 0 && file) *file = {answer.value().entry.node, answer.value().open.handle};
    return answer.error();
  }
  OpenFile create(const std::string& path, pid_t process = 1) {
    OpenFile file;
    EXPECT_EQ(create_error(path, &file, process), 0) << path;
    return file;
  }
  int open_error(NodeId id, int flags, OpenFile* file = nullptr, pid_t process = 1) {
    Answer<OpenResult> answer;
    filesystem.open(caller(process), id, flags, answer.reply());
    if (answer.wait().error() == 0 && file) *file = {id, answer.value().handle};
    return answer.error();
  }
  OpenFile open_as(NodeId id, int flags, pid_t process = 1) {
    OpenFile file;
    EXPECT_EQ(open_error(id, flags, &file, process), 0);
    return file;
  }
  int write(const OpenFile& file, const std::string& text, std::uint64_t offset = 0) {
    Answer<std::size_t> answer;
    filesystem.write({}, {file.node, file.handle, offset, text}, answer.reply());
    return answer.wait().error();
  }
  int flush(const OpenFile& file, pid_t process = 1) {
    Answer<void> answer;
    filesystem.flush(caller(process), file.node, file.handle, answer.reply());
    return answer.wait().error();
  }
  int fsync(const OpenFile& file) {
    Answer<void> answer;
    filesystem.fsync(caller(1), file.node, file.handle, answer.reply());
    return answer.wait().error();
  }
  /// Returns when it has had its effect, but for uploads that it has started.
  void close(const OpenFile& file) {
    filesystem.release(file.node, file.handle);
    settled();
  }
  /// What was asked of staged files before has had its effect.
  void settled() {
    Answer<ReadResult> after;
    filesystem.read({}, {staged_node(0xffffffffU), (HandleId{1} << 40), 0, 1, 0}, after.reply());
    after.wait();
  }
  int drain() {
    Answer<void> answer;
    filesystem.fsyncdir({}, root_node, answer.reply());
    return answer.wait().error();
  }
  int setattr(NodeId id, const AttributeChanges& changes) {
    Answer<AttributesReply> answer;
    filesystem.setattr(caller(1), id, changes, answer.reply());
    return answer.wait().error();
  }
  int set_times(NodeId id, UnixTime seconds) {
    AttributeChanges changes;
    changes.access_time = changes.modification_time = Timestamp{seconds, 0};
    return setattr(id, changes);
  }
  int set_mode(NodeId id, mode_t mode) {
    AttributeChanges changes;
    changes.mode = S_IFREG | mode;
    return setattr(id, changes);
  }
  int set_owner(NodeId id, uid_t uid, gid_t gid) {
    AttributeChanges changes;
    changes.uid = uid;
    changes.gid = gid;
    return setattr(id, changes);
  }
  int set_size(NodeId id, std::uint64_t size) {
    AttributeChanges changes;
    changes.size = size;
    return setattr(id, changes);
  }
  int fallocate(const OpenFile& file, std::uint64_t length) {
    Answer<void> answer;
    filesystem.fallocate({}, file.node, file.handle, 0, 0, length, answer.reply());
    return answer.wait().error();
  }
  /// The number of octets copied; a negative errno.
  std::int64_t copy_range(NodeId source, const OpenFile& target, std::uint64_t length, std::uint64_t offset = 0) {
    Answer<std::size_t> answer;
    filesystem.copy_file_range({}, {source, 0, offset, target.node, target.handle, 0, length}, answer.reply());
    if (answer.wait().error() != 0) return -answer.error();
    return static_cast<std::int64_t>(answer.value());
  }
  std::string text_of(const OpenFile& file) {
    const auto answer = read(file.node, file.handle);
    return answer.wait().error() == 0 ? bytes(answer) : "errno " + std::to_string(answer.error());
  }
  /// cp: created, written, flushed by who opened it, closed. The error of the flush.
  int cp(const std::string& path, const std::string& text) {
    const auto file = create(path);
    EXPECT_EQ(write(file, text), 0);
    const int flushed = flush(file);
    close(file);
    return flushed;
  }
  std::size_t uploads() { return account.changes().uploads().size(); }
  sync::Upload last_upload() { return account.changes().uploads().back(); }
  Lines outbox() {
    auto all = names(list(fixed_node(FixedNode::outbox)));
    std::erase_if(all, [](const auto& entry) { return entry == "." || entry == ".."; });
    return all;
  }
  static Error refused(int errnum = EPERM) { return Error{errnum, Scope::message, Retry::never, "not this one"}; }
  static Error offline() { return Error{EHOSTUNREACH, Scope::session, Retry::later, "no connection"}; }
};

}  // namespace imapfs::vfs
