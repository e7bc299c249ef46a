#include "vfs/staging/staged_attributes.hpp"

#include <cerrno>
#include <sstream>
#include <string>
#include <utility>

namespace imapfs::vfs {

namespace {

FlagSet changed_by(FlagSet flags, const FlagChange& change) {
  if (change.kind == FlagChange::Kind::replace) return change.flags;
  std::istringstream words(change.flags.to_string());
  for (std::string word; words >> word;) {
    if (change.kind == FlagChange::Kind::add) flags.add(word);
    else flags.remove(word);
  }
  return flags;
}

Error date_is_fixed() {
  return Error{EPERM, Scope::message, Retry::never, "the time of a message is its INTERNALDATE and stays"};
}

}  // namespace

void StagedAttributes::set_flags(NodeId node, const std::vector<FlagChange>& changes,
                                 const Reply<std::optional<MessageLocation>>& reply) const {
  const auto file = use_.files.find(node);
  if (!file) {
    const auto message = use_.aliases.message_of(node);
    if (!message) return reply(fail(ESTALE, Scope::message, Retry::now, "the file is not staged any more"));
    return reply(message);
  }
  use_.files.when_idle(file, [this, file, changes, reply] {
    // It was uploaded meanwhile, or is a new version of a message, which it takes its flags from.
    if (file->original) return reply(std::optional(file->original->message));
    if (auto kept = note_flags(*file, changes); !kept) return reply(fail(std::move(kept).error()));
    reply(std::optional<MessageLocation>());
  });
}

Result<void> StagedAttributes::note_flags(StagedFile& file, const std::vector<FlagChange>& changes) const {
  auto row = file.row;
  for (const auto& change : changes) row.flags = changed_by(row.flags, change);
  // RFC 9051 §2.3.2: \Recent is the server's. A new message that is deleted would be of use to nobody.
  row.flags.remove("\\Recent");
  row.flags.remove("\\Deleted");
  IMAPFS_TRY(use_.outbox.update(file.row, std::move(row)));
  file.flags_given = true;
  return {};
}

void StagedAttributes::set_time(NodeId node, Timestamp time, const Reply<void>& reply) const {
  const auto file = use_.files.find(node);
  if (!file) return date_closed(node, time, reply);
  use_.files.when_idle(file, [this, file, time, reply] {
    if (file->original && !file->dirty) return date_again(file, time, reply);
    reply(note_time(*file, time));
  });
}

Result<void> StagedAttributes::note_time(StagedFile& file, Timestamp time) const {
  auto row = file.row;
  row.internal_date = time.seconds;
  IMAPFS_TRY(use_.outbox.update(file.row, std::move(row)));
  file.time = time;
  use_.shown.show(file);
  return {};
}

/// Of a file that is closed and on the server.
void StagedAttributes::date_closed(NodeId node, Timestamp time, const Reply<void>& reply) const {
  const auto message = use_.aliases.message_of(node);
  if (!use_.recent.knows(node) || !message) return reply(fail(date_is_fixed()));
  date_again(use_.recent.reopen(node, *message), time, reply);
}

void StagedAttributes::date_again(const StagedFilePtr& file, Timestamp time, const Reply<void>& reply) const {
  use_.originals.refresh(*file->original);
  const auto finish = [this, file, reply](Result<void> done) {
    if (file->handles.empty()) use_.kernel.show_message(*file);
    reply(std::move(done));
    use_.files.look_whether_unused(file);
  };
  if (time.seconds == file->original->meta.internal_date) return finish({});
  if (!file->own) return finish(fail(date_is_fixed()));
  use_.loader.with_content(file, [this, file, time, finish](Result<void> ready) {
    if (!ready) return finish(fail(std::move(ready).error().while_doing("give the message another date")));
    file->time = time;
    file->dirty = true;
    use_.limits.count(*file);
    append_again(file, finish);
  });
}

void StagedAttributes::append_again(const StagedFilePtr& file, const Completion<void>& done) const {
  const auto first = file->original->message;
  use_.uploader.upload(file, use_.destinations.of(*file), [this, file, first, done](Result<sync::Arrival> arrived) {
    if (!arrived) {
      // The message is there; only its date is not.
      (void)use_.outbox.discard(file->row);
      file->dirty = false;
      file->time.reset();
      return done(fail(std::move(arrived).error().while_doing("give the message another date")));
    }
    // The same bytes twice are of use to nobody: gone for good where the server can (UIDPLUS), else as the policy
    // had it.
    use_.changes.expunge({first, {}}, {[](const Result<sync::ChangeId>&) {}, {}});
    done({});
  });
}

}  // namespace imapfs::vfs
