#pragma once
// The inside of Staging: its files, and the thread that all of them belong to.
//
// Everything here runs on the thread "staging" unless it says otherwise; completions of the account post what they
// bring to it. What FUSE threads ask for without waiting (status, is_own_new_file, outbox) is kept in `shown_`.
//
// A file is *busy* while its content is on its way somewhere (an upload, a fetch of the message it starts from, a copy
// on the server that has not been accepted). Operations on a busy file wait in the order they came. Files: staging.cpp
// the thread and the surroundings, staging_files.cpp opening and releasing, staging_octets.cpp reading and writing,
// staging_upload.cpp, staging_queue.cpp what nobody waits for, staging_waiting.cpp what has no final name and what is
// told of files that wait, staging_unfinished.cpp what is closed before it is whole, staging_rename.cpp,
// staging_displaced.cpp what had a name before, staging_times.cpp, staging_flags.cpp, staging_copy.cpp,
// staging_directories.cpp, staging_recovery.cpp.

#include <algorithm>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "vfs/staging/displaced_messages.hpp"
#include "vfs/staging/staging.hpp"
#include "vfs/staging/staging_content.hpp"
#include "vfs/staging/staging_thread.hpp"

namespace imapfs::vfs {

class Staging::Implementation : public std::enable_shared_from_this<Staging::Implementation> {
 public:
  explicit Implementation(Dependencies dependencies) : around_(std::move(dependencies)) {}

  /// Any thread: runs a job on the thread "staging".
  void post(Job job) { thread_.post(std::move(job)); }
  /// No retry starts any more; what is queued runs; joins.
  void stop();

  // -- staging_files.cpp --
  void create(const Caller& caller, MailboxId mailbox, const std::string& name, const Reply<CreateResult>& reply);
  void open_message(const Caller& caller, const Original& original, int flags, const Reply<OpenResult>& reply);
  void open_staged(const Caller& caller, NodeId node, int flags, const Reply<OpenResult>& reply);
  void release(NodeId node, HandleId handle);

  // -- staging_octets.cpp --
  void read(const ReadRequest& request, const Reply<ReadResult>& reply);
  void write(const WriteRequest& request, const Reply<std::size_t>& reply);
  void truncate(NodeId node, std::uint64_t size, const Reply<void>& reply);
  void allocate(NodeId node, std::uint64_t offset, std::uint64_t length, const Reply<void>& reply);

  // -- staging_upload.cpp --
  void flush(const Caller& caller, NodeId node, HandleId handle, const Reply<void>& reply);
  void fsync(NodeId node, const Reply<void>& reply);

  // -- staging_waiting.cpp --
  void drain(const Reply<void>& reply);
  void describe(const Completion<nlohmann::json>& done) const;

  // -- staging_times.cpp --
  void set_time(NodeId node, Timestamp time, const Reply<void>& reply);

  // -- staging_unfinished.cpp --
  void reserve(NodeId node, std::uint64_t size, const Reply<void>& reply);

  // -- staging_flags.cpp --
  void set_flags(NodeId node, const std::vector<FlagChange>& changes,
                 const Reply<std::optional<MessageLocation>>& reply);

  // -- staging_copy.cpp --
  void copy_message(const CopyRangeRequest& request, const CopySource& source, const Reply<std::size_t>& reply);

  // -- staging_rename.cpp --
  void rename(const Caller& caller, NodeId node, MailboxId mailbox, const std::string& name,
              const std::optional<Original>& replaces, const Reply<void>& reply);
  void remove(const Caller& caller, NodeId node, const Reply<void>& reply);

  // -- staging_moved.cpp --
  /// Any thread.
  void hold(NodeId node, std::function<void(Hold)> then);
  void message_gone(NodeId node);
  void message_renamed(NodeId node, const std::string& name);

  // -- staging_directories.cpp --
  void make_directory(MailboxId parent, const std::string& name, const Reply<Entry>& reply);
  void remove_directory(NodeId node, const Reply<void>& reply);
  void rename_directory(NodeId node, MailboxId parent, const std::string& name, const Reply<void>& reply);

  // -- staging_displaced.cpp --
  void take_place(const Original& own, const std::string& name, const std::optional<Original>& target,
                  const Reply<bool>& reply);

  // -- staging_recovery.cpp --
  void recover();

  // -- any thread --
  [[nodiscard]] std::optional<Status> status(NodeId node) const;
  [[nodiscard]] bool is_own_new_file(NodeId node) const;
  [[nodiscard]] std::vector<OutboxEntry> outbox() const;
  [[nodiscard]] Result<void> check_outbox(MailboxId mailbox) const;
  [[nodiscard]] DisplacedMessages& displaced() { return displaced_; }
  [[nodiscard]] bool take_stale_pages(NodeId node);

 private:
  struct Open {
    pid_t process = 0;
    bool writes = false;
    bool wrote = false;  ///< octets, or emptied the file
    /// Its opener has closed it, or a copy of it, since the last write.
    bool flushed = false;
    /// It was open when File::as_written was put aside: its offsets are those of these octets.
    bool from_before = false;
  };
  struct File {
    NodeId node;
    std::uint64_t generation = 1;
    MailboxId mailbox;
    std::string name;
    store::StagedFile row;  ///< id 0: the journal has none
    /// Null while the octets are those of the message at `source`, or are still only in the staging directory.
    std::shared_ptr<StagedContent> content;
    /// The octets that became the message at `source`, where the server keeps others (CRLF) and shows them: those who
    /// had the file open then go on to write these.
    std::shared_ptr<StagedContent> as_written;
    MessageLocation source;  ///< where the octets are while there is no content; uid 0: in the staging directory
    std::shared_ptr<sync::Body> body;  ///< of `source`, once somebody has read it
    std::uint64_t source_size = 0;
    std::optional<Original> original;  ///< the message that the node stands for: the next upload takes its place
    std::optional<DisplacedMessage> displaced;  ///< of a new file: what had its name a moment before
    /// The message in whose place a queued file was renamed: it goes when the file has been uploaded.
    std::optional<Original> replaced;
    std::map<HandleId, Open> handles;
    bool dirty = false;  ///< holds what the server does not have
    bool busy = false;
    bool copying = false;  ///< busy with a copy that was accepted: reads, flushes and releases do not wait for it
    sync::ChangeId copy;   ///< that one
    /// Why what is here is a part: a write has failed, which its writer was told of, or the writer was killed. Until
    /// the file is emptied nothing of it is uploaded.
    std::optional<Error> failed;
    bool reported = false;              ///< the last upload has failed, and somebody was told
    bool nameless = false;              ///< removed while it was open
    bool message_gone = false;          ///< its message was removed or replaced: judge_name() says whether it still is
    bool named = false;                 ///< its temporary name is as good as a final one: nobody has changed it
    SteadyClock::time_point closed_at;  ///< of a temporary name: when it was closed or got that name
    /// Why a closed file with a temporary name is not uploaded under it: it is no Internet message.
    std::optional<Error> no_mail;
    bool told = false;                     ///< of that, who waited for everything
    bool flags_given = false;              ///< by a user, to this file: they are not those of what it replaces
    std::optional<WrittenRanges> written;  ///< while there is no content and the file is not whole
    std::uint64_t reserved = 0;            ///< so much room was made for it: it is not whole before
    bool own = false;                      ///< a new file of this process
    bool recoded = false;                  ///< the server has other octets than were written
    std::optional<Timestamp> time;         ///< as set by a user
    Timestamp changed;
    std::uint64_t counted = 0;  ///< octets of it that count towards the limit
    int attempts = 0;           ///< in vain, of a queued upload
    std::deque<Job> waiting;    ///< for the file not to be busy

    [[nodiscard]] bool has_row() const { return row.id.value != 0; }
    [[nodiscard]] std::uint64_t size() const { return content ? content->size() : source_size; }
    /// By somebody who has not closed it yet. The kernel's RELEASE comes after close(2) has returned and says nothing.
    [[nodiscard]] bool is_being_written() const {
      return std::any_of(handles.begin(), handles.end(),
                         [](const auto& handle) { return handle.second.writes && !handle.second.flushed; });
    }
  };
  using FilePtr = std::shared_ptr<File>;

  /// Where an upload is to go and what it is to be.
  struct Destination {
    MailboxId mailbox;
    std::string name;
    MessageLocation replaces;
    FlagSet flags;
    std::optional<UnixTime> internal_date;
  };
  /// A file that was uploaded and closed: its times may still be set (python's copy2, restic).
  struct Uploaded {
    NodeId node;
    std::shared_ptr<StagedContent> content;  ///< null if it is too large to be kept
    SteadyClock::time_point since = SteadyClock::now();
  };
  struct Shown {
    struct Of {
      Status status;
      bool here = false;
      bool own = false;
    };
    std::unordered_map<NodeId, Of> files;
    std::unordered_set<NodeId> own_messages;
    std::unordered_set<NodeId> stale_pages;
    std::unordered_map<NodeId, int> held;  ///< messages that nobody has open for writing, by who has a Hold of them
    std::map<store::StagedId, OutboxEntry> outbox;
  };
  static constexpr std::size_t max_uploaded = 4096;
  static constexpr std::size_t max_kept = 64;
  static constexpr std::uint64_t max_kept_octets = 16ULL << 20;

  // -- staging.cpp --
  [[nodiscard]] FilePtr find(NodeId node) const;
  /// Brings `shown_` up to date.
  void show(const File& file);
  /// Runs `job` when the file is not busy: at once, or after those that wait.
  void when_idle(const FilePtr& file, Job job);
  /// The file is not busy any more: whoever waits goes on.
  void go_on(const FilePtr& file);
  /// A completion for the account that runs `job` with its result on the thread "staging", unless Staging is gone.
  template <class T, class Function>
  Completion<T> on_thread(Function function) {
    return [weak = weak_from_this(), function = std::move(function)](Result<T> result) {
      if (const auto self = weak.lock()) {
        self->post([function, result = std::move(result)]() mutable { function(std::move(result)); });
      }
    };
  }
  [[nodiscard]] std::string path_of(const File& file) const;
  [[nodiscard]] std::string server_name(MailboxId mailbox) const;
  void name_removed(const File& file) const;
  static Timestamp now();

  // -- staging_files.cpp --
  [[nodiscard]] Result<void> check_rights(MailboxId mailbox, bool replaces) const;
  [[nodiscard]] Result<void> check_quota();
  void add_handle(const FilePtr& file, const Caller& caller, int flags, const Reply<OpenResult>& reply);
  static void take_original(File& file, const Original& original);
  HandleId new_handle(File& file, const Caller& caller, bool writes);
  void last_release(const FilePtr& file);
  void show_message(const FilePtr& file);
  /// Forgets it: row, octets, place in the limit.
  void drop(const FilePtr& file);

  // -- staging_octets.cpp --
  /// Runs `job` with the file's octets in the staging directory, where they can be changed, or with the Error that
  /// prevented it.
  void with_content(const FilePtr& file, std::function<void(Result<void>)> job);
  void with_empty_content(const FilePtr& file, const std::function<void(Result<void>)>& job);
  Result<void> stage_copy(const FilePtr& file, const std::shared_ptr<StagedContent>& octets);
  void pages_are_wrong(const File& file);
  Result<void> stage(const FilePtr& file);
  Result<void> open_content(File& file);
  void fetch(const FilePtr& file, const std::function<void(Result<void>)>& job);
  void fetch_piece(const std::shared_ptr<StagedContent>& content, const std::shared_ptr<sync::Body>& body,
                   std::uint64_t offset, const std::function<void(Result<void>)>& job);
  /// Whether the file may become `size` octets long.
  [[nodiscard]] Result<void> check_size(const File& file, std::uint64_t size);
  void count(File& file);
  void changed(const FilePtr& file);
  /// A change of the octets has failed: what is here of an open file is not whole. truncate(2) of a closed one that
  /// fails changes nothing.
  template <class T>
  static void refuse(File& file, const Reply<T>& reply, Error error) {
    if (!file.handles.empty()) file.failed = error;
    reply(fail(std::move(error)));
  }
  void locate_source(File& file) const;
  void read_source(const FilePtr& file, const ReadRequest& request, const Reply<ReadResult>& reply);

  // -- staging_moved.cpp --
  void judge_name(File& file) const;
  [[nodiscard]] bool is_held(NodeId node) const;
  void end_hold(NodeId node);
  void open_after_hold(const Caller& caller, const Original& original, int flags, const Reply<OpenResult>& reply);
  /// Runs `job` when the message that the file is a version of is where it goes, or with an Error. The file is idle,
  /// and busy meanwhile.
  void follow_message(const FilePtr& file, const std::function<void(Result<void>)>& job);

  // -- staging_upload.cpp --
  [[nodiscard]] Destination destination_of(File& file) const;
  [[nodiscard]] static FlagSet flags_to_give(FlagSet flags);
  void refresh(Original& original) const;
  void upload(const FilePtr& file, const Destination& destination, const Completion<sync::Arrival>& done);
  void upload_to(const FilePtr& file, const Destination& destination, const FilePtr& backup,
                 const Completion<sync::Arrival>& finish);
  void with_present_flags(const Destination& destination, const Completion<Destination>& then);
  Result<sync::Upload> prepare(File& file, const Destination& destination);
  void uploaded(const FilePtr& file, const Destination& destination, const sync::Upload& upload,
                const sync::Arrival& arrival);
  void upload_for(const FilePtr& file, const Reply<void>& reply);
  void report_partial(const FilePtr& file);
  void report_failure(const FilePtr& file, const Destination& destination, const Error& error);
  void list_in_outbox(const File& file, const std::string& reason);
  [[nodiscard]] static std::string outbox_name(const store::StagedFile& row);
  Result<void> set_state(File& file, store::StagedFile::State state, const std::string& reason = {});

  // -- staging_unfinished.cpp --
  [[nodiscard]] static std::optional<Error> missing_octets(const File& file);
  [[nodiscard]] std::optional<Error> left_unfinished(const File& file) const;
  [[nodiscard]] bool expects_more(File& file, HandleId handle);
  [[nodiscard]] static bool is_others_work(const File& file, HandleId handle);
  void await_rest(const FilePtr& file);
  void give_up_rest(const FilePtr& file);

  // -- staging_queue.cpp --
  /// Runs `job` on the thread "staging" after `delay`, unless Staging is gone.
  void later(SteadyClock::duration delay, Job job);
  void queue(const FilePtr& file);
  void try_queued(const FilePtr& file);
  void queued_ended(const FilePtr& file, const Destination& destination, const Result<sync::Arrival>& arrived);
  void try_again_later(const FilePtr& file, const Error& error);
  void to_outbox(const FilePtr& file);
  void fail_settling(NodeId node, const Error& error);
  void check_settled();

  // -- staging_waiting.cpp --
  enum class Stage : std::uint8_t { nothing, open, uploading, queued, temporary, local, outbox };
  /// What a file waits for; nothing if there is nothing of it that the server does not have.
  [[nodiscard]] Stage stage_of(const File& file) const;
  /// Whether drain() waits for it.
  [[nodiscard]] bool is_waited_for(const File& file) const;
  /// Whether it is not to be uploaded before somebody renames it.
  [[nodiscard]] bool has_temporary_name(const File& file) const;
  /// Whether it is called as an editor's backup of a file that is, or was a moment ago, beside it.
  [[nodiscard]] bool is_backup(const File& file) const;
  [[nodiscard]] bool is_there(MailboxId mailbox, const std::string& name) const;
  void await_name(const FilePtr& file);
  void look_at_name(NodeId node, SteadyClock::duration age);
  void take_name_as_final(const FilePtr& file);
  void not_uploaded(const FilePtr& file, const Error& error);
  void tell_of_no_mail(const FilePtr& file);

  // -- staging_rename.cpp --
  /// A rename that uploads: answered when that has ended, or before, when the file is queued under its new name.
  struct RenamingUpload {
    FilePtr file;
    Destination destination;
    std::optional<Original> replaced;
    std::optional<DisplacedMessage> displaced_before;  ///< of the file under its old name
    Reply<void> reply;
    bool answered = false;
  };
  void rename_idle(const Caller& caller, const FilePtr& file, const Destination& wanted,
                   const std::optional<Original>& replaces, const Reply<void>& reply);
  void upload_renamed(const Caller& caller, const std::shared_ptr<RenamingUpload>& renaming);
  void renamed(const RenamingUpload& renaming, const Result<sync::Arrival>& arrived);
  void answer_renaming(RenamingUpload& renaming);
  Result<void> queue_renamed(const RenamingUpload& renaming);
  Result<void> rename_only(const FilePtr& file, MailboxId mailbox, const std::string& name);
  void place(const FilePtr& file, MailboxId mailbox, const std::string& name);

  // -- staging_times.cpp --
  void remember(const FilePtr& file);
  void append_again(NodeId node, Timestamp time, const Reply<void>& reply);
  FilePtr reopen(const Uploaded& known, const MessageLocation& message);
  void date_again(const FilePtr& file, Timestamp time, const Reply<void>& reply);

  // -- staging_displaced.cpp --
  void inherit(const DisplacedMessage& displaced, Destination& destination) const;
  [[nodiscard]] bool is_still_backup(const DisplacedMessage& displaced) const;
  void with_backup(const FilePtr& file, const Destination& destination, const Completion<FilePtr>& then);
  void keep_backup(const FilePtr& backup, const DisplacedMessage& displaced, const Destination& successor);
  void replace_by_own(const FilePtr& file, const Destination& destination, const Reply<bool>& reply);

  // -- staging_copy.cpp --
  void copy_accepted(const FilePtr& file, const CopySource& source, sync::ChangeId change);
  void copy_finished(const FilePtr& file, const CopySource& source, const Result<sync::Arrival>& arrived);

  // -- staging_directories.cpp --
  /// Whether the row is of a file in a local directory.
  [[nodiscard]] static bool is_in_directory(const store::StagedFile& row);
  /// Says in the row where the file is. Every change of place goes through it.
  void set_place(store::StagedFile& row, MailboxId mailbox, const std::string& name) const;
  Result<void> write_place(const LocalEntry& entry);
  [[nodiscard]] std::optional<std::pair<MailboxId, std::string>> find_place(const store::StagedFile& row) const;
  void recover_directories(std::vector<store::StagedFile>& rows);
  bool recover_in_directory(const FilePtr& file);

  // -- staging_recovery.cpp --
  void recover(const store::StagedFile& row, const std::map<store::StagedId, sync::ChangeId>& pending);
  void await_arrival(const sync::PendingArrival& arrival);
  void await_upload(const FilePtr& file, sync::ChangeId change);

  const Dependencies around_;
  std::map<NodeId, FilePtr> files_;
  std::unordered_map<NodeId, std::vector<Job>> waiting_opens_;  ///< for the end of the last Hold
  std::unordered_set<NodeId> gone_while_held_;
  std::list<Uploaded> uploaded_;  ///< the newest last
  std::uint64_t kept_octets_ = 0;
  std::uint64_t used_ = 0;  ///< octets that count towards the limit
  HandleId next_handle_ = 0;
  bool quota_exhausted_ = false;
  std::optional<SteadyClock::time_point> quota_asked_;
  std::vector<std::pair<Reply<void>, std::unordered_set<NodeId>>> settling_;
  mutable Guarded<Shown> shown_;
  DisplacedMessages displaced_;
  std::mutex timer_mutex_;
  bool stopped_ = false;              ///< guarded by timer_mutex_
  std::unique_ptr<Scheduler> timer_;  ///< guarded by timer_mutex_; started when something is to be tried again
  StagingThread thread_;              ///< last: its jobs use the rest
};

}  // namespace imapfs::vfs
