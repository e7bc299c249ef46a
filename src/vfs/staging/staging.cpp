#include "vfs/staging/staging.hpp"

#include <utility>

#include "vfs/staging/closed_files.hpp"
#include "vfs/staging/flushed_files.hpp"
#include "vfs/staging/open_files.hpp"
#include "vfs/staging/staged_attributes.hpp"

namespace imapfs::vfs {

/// Who does the work, each with those it needs. What comes later may use what comes before; StagedFiles and
/// DrainWaiters call back.
struct Staging::Parts {
  explicit Parts(const Dependencies& to)
      : account(to.account), publisher(to.publisher), settings(to.settings), entries(to.entries), aliases(to.aliases),
        outbox(to.outbox), scheduler(to.scheduler), patience(to.name_patience), grace(to.name_grace) {}

  sync::Account& account;
  ChangePublisher& publisher;
  const Settings& settings;
  LocalEntries& entries;
  NodeAliases& aliases;
  Outbox& outbox;
  Scheduler& scheduler;
  const std::chrono::milliseconds patience;
  const std::chrono::milliseconds grace;

  const std::shared_ptr<StagingThread> worker = std::make_shared<StagingThread>(scheduler);
  StagingThread& thread = *worker;
  DisplacedMessages displaced;
  ShownFiles shown;
  const StagedNews kernel{shown, publisher};
  StagingLimits limits{account, settings, thread};
  const FileStages stages{{account.mailboxes(), entries, displaced, outbox}};
  DrainWaiters waiters{[this](NodeId node) {
    const auto file = files.find(node);
    return file && stages.is_waited_for(*file);
  }};
  StagedFiles files{{outbox, limits, shown, waiters, [this](const StagedFilePtr& file) { closed.dispose(file); }}};
  const FilePlaces places{{account.mailboxes(), entries, files}};
  Holds holds{{shown, files, waiters, thread}};
  const OriginalMessages originals{{account, entries, aliases, files, holds, thread}};
  const UploadDestinations destinations{{account.mailboxes(), entries, originals, thread}};
  const ContentLoader loader{{account.bodies(), outbox, files, limits, places, originals, thread}};
  const FileBytes bytes{{account.bodies(), files, limits, loader, originals, shown, kernel, thread}};
  OpenFiles open{
      {account.mailboxes(), settings, entries, displaced, files, limits, shown, holds, originals, loader, bytes}};
  const ServerCopy copy{{account.changes(), entries, outbox, files, shown, stages, kernel, thread}};

  const EditorBackups backups{{entries, aliases, outbox, files, places, loader, kernel}};
  const UploadedMessages uploaded{{account.mailboxes(), entries, displaced, outbox, places, shown, kernel}};
  const Uploader uploader{
      {account.changes(), outbox, files, waiters, places, loader, destinations, backups, uploaded, thread}};
  const RefusedFiles refused{
      {account.mailboxes(), entries, publisher.events(), outbox, files, shown, waiters, stages, destinations, kernel}};
  const UploadQueue queue{
      {publisher.events(), outbox, files, waiters, places, originals, destinations, uploader, refused, thread}};

  const TemporaryFiles temporary{{outbox, files, waiters, stages, places, loader, queue, thread, patience, grace}};
  const UnfinishedFiles unfinished{
      {files, waiters, stages, places, destinations, loader, refused, thread, settings.rest_patience}};
  RecentUploads recent{{entries, files, shown, originals}};
  const ClosedFiles closed{
      {files, shown, stages, places, originals, refused, queue, temporary, unfinished, recent, kernel}};
  const FlushedFiles flushed{
      {outbox, files, stages, originals, destinations, loader, uploader, refused, unfinished, kernel}};
  const StagedAttributes attributes{{account.changes(), entries, aliases, outbox, files, limits, shown, originals,
                                     destinations, loader, uploader, recent, kernel}};

  const RenamingUpload renaming{{outbox, shown, places, loader, uploader, queue, refused, kernel, thread}};
  const StagedRename rename{
      {entries, displaced, outbox, files, limits, shown, waiters, places, originals, destinations, renaming}};
  const MessageReplacement replacement{{account.changes(), entries, displaced, outbox, files, limits, originals,
                                        destinations, loader, uploader, recent, settings.append_flags}};
  const LocalDirectoryRows directories{{settings, entries, outbox, files, places}};
  StagedNames names{{thread, displaced, holds, originals, rename, replacement, directories}};

  const WaitingFiles waiting{{files, waiters, stages, places, queue, temporary, unfinished}};
  const StagingRecovery recovery{{account, entries, outbox, files, limits, shown, waiters, places, directories, loader,
                                  queue, uploaded, refused, kernel, thread}};
  StagingOutbox view{{thread, outbox, waiting, recovery}};
};

Staging::Staging(const Dependencies& dependencies) : parts_(std::make_unique<Parts>(dependencies)) {}

Staging::~Staging() { parts_->thread.close(); }

StagedNames& Staging::names() { return parts_->names; }

StagingOutbox& Staging::outbox() { return parts_->view; }

void Staging::create(const Caller& caller, MailboxId mailbox, const std::string& name, Reply<CreateResult> reply) {
  parts_->thread.post([parts = parts_.get(), caller, mailbox, name, reply = std::move(reply)] {
    parts->open.create(caller, mailbox, name, reply);
  });
}

void Staging::open_message(const Caller& caller, const Original& original, int flags, Reply<OpenResult> reply) {
  parts_->thread.post([parts = parts_.get(), caller, original, flags, reply = std::move(reply)] {
    parts->open.open_message(caller, original, flags, reply);
  });
}

void Staging::open_staged(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply) {
  parts_->thread.post([parts = parts_.get(), caller, node, flags, reply = std::move(reply)] {
    parts->open.open_staged(caller, node, flags, reply);
  });
}

void Staging::read(const ReadRequest& request, Reply<ReadResult> reply) {
  parts_->thread.post([parts = parts_.get(), request, reply = std::move(reply)] { parts->bytes.read(request, reply); });
}

void Staging::write(const WriteRequest& request, Reply<std::size_t> reply) {
  parts_->thread.post(
      [parts = parts_.get(), request, reply = std::move(reply)] { parts->bytes.write(request, reply); });
}

void Staging::truncate(NodeId node, std::uint64_t size, Reply<void> reply) {
  parts_->thread.post(
      [parts = parts_.get(), node, size, reply = std::move(reply)] { parts->bytes.truncate(node, size, reply); });
}

void Staging::allocate(NodeId node, std::uint64_t offset, std::uint64_t length, Reply<void> reply) {
  parts_->thread.post([parts = parts_.get(), node, offset, length, reply = std::move(reply)] {
    parts->bytes.allocate(node, offset, length, reply);
  });
}

void Staging::reserve(NodeId node, std::uint64_t size, Reply<void> reply) {
  parts_->thread.post(
      [parts = parts_.get(), node, size, reply = std::move(reply)] { parts->bytes.reserve(node, size, reply); });
}

void Staging::copy_message(const CopyRangeRequest& request, const CopySource& source, Reply<std::size_t> reply) {
  parts_->thread.post(
      [parts = parts_.get(), request, source, reply = std::move(reply)] { parts->copy.copy(request, source, reply); });
}

void Staging::set_flags(NodeId node, std::vector<FlagChange> changes, Reply<std::optional<MessageLocation>> reply) {
  parts_->thread.post([parts = parts_.get(), node, changes = std::move(changes), reply = std::move(reply)] {
    parts->attributes.set_flags(node, changes, reply);
  });
}

void Staging::set_time(NodeId node, Timestamp time, Reply<void> reply) {
  parts_->thread.post(
      [parts = parts_.get(), node, time, reply = std::move(reply)] { parts->attributes.set_time(node, time, reply); });
}

void Staging::flush(const Caller& caller, NodeId node, HandleId handle, Reply<void> reply) {
  parts_->thread.post([parts = parts_.get(), caller, node, handle, reply = std::move(reply)] {
    parts->flushed.flush(caller, node, handle, reply);
  });
}

void Staging::fsync(const Caller&, NodeId node, HandleId, Reply<void> reply) {
  parts_->thread.post([parts = parts_.get(), node, reply = std::move(reply)] { parts->flushed.fsync(node, reply); });
}

void Staging::release(NodeId node, HandleId handle) {
  parts_->thread.post([parts = parts_.get(), node, handle] { parts->open.release(node, handle); });
}

std::optional<StagedStatus> Staging::status(NodeId node) const { return parts_->shown.status(node); }

bool Staging::is_own_new_file(NodeId node) const { return parts_->shown.is_own_new_file(node); }

bool Staging::take_stale_pages(NodeId node) { return parts_->shown.take_stale_pages(node); }

}  // namespace imapfs::vfs
