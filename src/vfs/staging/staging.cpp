#include "vfs/staging/staging.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "vfs/staging/staging_implementation.hpp"

namespace imapfs::vfs {

// -- Implementation: what all parts use --

void Staging::Implementation::stop() {
  std::unique_ptr<Scheduler> timer;
  {
    const std::lock_guard guard(timer_mutex_);
    stopped_ = true;
    timer = std::move(timer_);
  }
  timer.reset();
  thread_.close();
}

Staging::Implementation::FilePtr Staging::Implementation::find(NodeId node) const {
  const auto found = files_.find(node);
  return found == files_.end() ? nullptr : found->second;
}

void Staging::Implementation::show(const File& file) {
  Shown::Of of;
  of.here = file.has_row() || file.content != nullptr || file.copying || !file.original;
  of.own = file.own || file.dirty;
  of.status = {file.size(), file.time.value_or(file.changed)};
  shown_.with_lock([&](Shown& shown) { shown.files[file.node] = of; });
}

void Staging::Implementation::when_idle(const FilePtr& file, Job job) {
  if (file->busy || !file->waiting.empty()) return file->waiting.push_back(std::move(job));
  job();
}

void Staging::Implementation::go_on(const FilePtr& file) {
  file->busy = false;
  while (!file->busy && !file->waiting.empty()) {
    const Job next = std::move(file->waiting.front());
    file->waiting.pop_front();
    next();
  }
  if (!file->busy && file->handles.empty()) last_release(file);
}

std::string Staging::Implementation::path_of(const File& file) const {
  const auto tree = around_.account.tree();
  const auto* mailbox = file.mailbox.value != 0 ? tree->find(file.mailbox) : nullptr;
  return fmt::format("{}/{}", mailbox ? mailbox->path : file.row.mailbox, file.name);
}

std::string Staging::Implementation::server_name(MailboxId mailbox) const {
  const auto tree = around_.account.tree();
  const auto* node = tree->find(mailbox);
  return node ? node->name : std::string();
}

/// The kernel learns that the name is gone, which no operation of its own has removed.
void Staging::Implementation::name_removed(const File& file) const {
  around_.publisher.kernel().name_gone(file.mailbox, file.name, file.node);
}

Timestamp Staging::Implementation::now() {
  const auto time = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(time - seconds);
  return {seconds.count(), static_cast<std::uint32_t>(rest.count())};
}

std::optional<Staging::Status> Staging::Implementation::status(NodeId node) const {
  return shown_.with_lock([&](const Shown& shown) -> std::optional<Status> {
    const auto found = shown.files.find(node);
    if (found == shown.files.end() || !found->second.here) return std::nullopt;
    return found->second.status;
  });
}

bool Staging::Implementation::is_own_new_file(NodeId node) const {
  return shown_.with_lock([&](const Shown& shown) {
    const auto found = shown.files.find(node);
    return (found != shown.files.end() && found->second.own) || shown.own_messages.contains(node);
  });
}

std::vector<Staging::OutboxEntry> Staging::Implementation::outbox() const {
  return shown_.with_lock([](const Shown& shown) {
    std::vector<OutboxEntry> entries;
    for (const auto& [id, entry] : shown.outbox) entries.push_back(entry);
    return entries;
  });
}

Result<void> Staging::Implementation::check_outbox(MailboxId mailbox) const {
  std::string names;
  for (const auto& entry : outbox()) {
    if (mailbox.value == 0 || entry.mailbox == mailbox) names += (names.empty() ? "" : ", ") + entry.name;
  }
  if (names.empty()) return {};
  return fail(EIO, Scope::message, Retry::never, "not uploaded, and in .imapfs/outbox: {}", names);
}

bool Staging::Implementation::take_stale_pages(NodeId node) {
  return shown_.with_lock([&](Shown& shown) { return shown.stale_pages.erase(node) != 0; });
}

// -- Staging: each call becomes a job --

Staging::Staging(Dependencies dependencies)
    : implementation_(std::make_shared<Implementation>(std::move(dependencies))) {}

Staging::~Staging() { implementation_->stop(); }

void Staging::recover() {
  implementation_->post([self = implementation_.get()] { self->recover(); });
}

void Staging::create(const Caller& caller, MailboxId mailbox, const std::string& name, Reply<CreateResult> reply) {
  implementation_->post([self = implementation_.get(), caller, mailbox, name, reply = std::move(reply)] {
    self->create(caller, mailbox, name, reply);
  });
}

void Staging::open_message(const Caller& caller, const Original& original, int flags, Reply<OpenResult> reply) {
  implementation_->post([self = implementation_.get(), caller, original, flags, reply = std::move(reply)] {
    self->open_message(caller, original, flags, reply);
  });
}

void Staging::open_staged(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply) {
  implementation_->post([self = implementation_.get(), caller, node, flags, reply = std::move(reply)] {
    self->open_staged(caller, node, flags, reply);
  });
}

void Staging::read(const ReadRequest& request, Reply<ReadResult> reply) {
  implementation_->post(
      [self = implementation_.get(), request, reply = std::move(reply)] { self->read(request, reply); });
}

void Staging::write(const WriteRequest& request, Reply<std::size_t> reply) {
  implementation_->post(
      [self = implementation_.get(), request, reply = std::move(reply)] { self->write(request, reply); });
}

void Staging::truncate(NodeId node, std::uint64_t size, Reply<void> reply) {
  implementation_->post(
      [self = implementation_.get(), node, size, reply = std::move(reply)] { self->truncate(node, size, reply); });
}

void Staging::allocate(NodeId node, std::uint64_t offset, std::uint64_t length, Reply<void> reply) {
  implementation_->post([self = implementation_.get(), node, offset, length, reply = std::move(reply)] {
    self->allocate(node, offset, length, reply);
  });
}

void Staging::reserve(NodeId node, std::uint64_t size, Reply<void> reply) {
  implementation_->post(
      [self = implementation_.get(), node, size, reply = std::move(reply)] { self->reserve(node, size, reply); });
}

void Staging::set_flags(NodeId node, std::vector<FlagChange> changes, Reply<std::optional<MessageLocation>> reply) {
  implementation_->post([self = implementation_.get(), node, changes = std::move(changes), reply = std::move(reply)] {
    self->set_flags(node, changes, reply);
  });
}

void Staging::set_time(NodeId node, Timestamp time, Reply<void> reply) {
  implementation_->post(
      [self = implementation_.get(), node, time, reply = std::move(reply)] { self->set_time(node, time, reply); });
}

void Staging::flush(const Caller& caller, NodeId node, HandleId handle, Reply<void> reply) {
  implementation_->post([self = implementation_.get(), caller, node, handle, reply = std::move(reply)] {
    self->flush(caller, node, handle, reply);
  });
}

void Staging::fsync(const Caller&, NodeId node, HandleId, Reply<void> reply) {
  implementation_->post([self = implementation_.get(), node, reply = std::move(reply)] { self->fsync(node, reply); });
}

void Staging::release(NodeId node, HandleId handle) {
  implementation_->post([self = implementation_.get(), node, handle] { self->release(node, handle); });
}

void Staging::copy_message(const CopyRangeRequest& request, const CopySource& source, Reply<std::size_t> reply) {
  implementation_->post([self = implementation_.get(), request, source, reply = std::move(reply)] {
    self->copy_message(request, source, reply);
  });
}

std::optional<Staging::Status> Staging::status(NodeId node) const { return implementation_->status(node); }

bool Staging::is_own_new_file(NodeId node) const { return implementation_->is_own_new_file(node); }

bool Staging::take_stale_pages(NodeId node) { return implementation_->take_stale_pages(node); }

void Staging::rename(const Caller& caller, NodeId node, MailboxId mailbox, const std::string& name,
                     const std::optional<Original>& replaces, Reply<void> reply) {
  implementation_->post([self = implementation_.get(), caller, node, mailbox, name, replaces,
                         reply = std::move(reply)] { self->rename(caller, node, mailbox, name, replaces, reply); });
}

void Staging::hold(NodeId node, std::function<void(Hold)> then) { implementation_->hold(node, std::move(then)); }

void Staging::message_gone(NodeId node) {
  implementation_->post([self = implementation_.get(), node] { self->message_gone(node); });
}

void Staging::message_renamed(NodeId node, const std::string& name) {
  implementation_->post([self = implementation_.get(), node, name] { self->message_renamed(node, name); });
}

void Staging::remove(const Caller& caller, NodeId node, Reply<void> reply) {
  implementation_->post(
      [self = implementation_.get(), caller, node, reply = std::move(reply)] { self->remove(caller, node, reply); });
}

void Staging::make_directory(MailboxId parent, const std::string& name, Reply<Entry> reply) {
  implementation_->post([self = implementation_.get(), parent, name, reply = std::move(reply)] {
    self->make_directory(parent, name, reply);
  });
}

void Staging::remove_directory(NodeId node, Reply<void> reply) {
  implementation_->post(
      [self = implementation_.get(), node, reply = std::move(reply)] { self->remove_directory(node, reply); });
}

void Staging::rename_directory(NodeId node, MailboxId parent, const std::string& name, Reply<void> reply) {
  implementation_->post([self = implementation_.get(), node, parent, name, reply = std::move(reply)] {
    self->rename_directory(node, parent, name, reply);
  });
}

std::vector<Staging::OutboxEntry> Staging::outbox() const { return implementation_->outbox(); }

Result<void> Staging::check_outbox(MailboxId mailbox) const { return implementation_->check_outbox(mailbox); }

void Staging::take_place(const Original& own, const std::string& name, const std::optional<Original>& target,
                         Reply<bool> reply) {
  implementation_->post([self = implementation_.get(), own, name, target, reply = std::move(reply)] {
    self->take_place(own, name, target, reply);
  });
}

DisplacedMessages& Staging::displaced() { return implementation_->displaced(); }

void Staging::describe(Completion<nlohmann::json> done) {
  implementation_->post([self = implementation_.get(), done = std::move(done)] { self->describe(done); });
}

void Staging::drain(Reply<void> reply) {
  implementation_->post([self = implementation_.get(), reply = std::move(reply)] { self->drain(reply); });
}

}  // namespace imapfs::vfs
