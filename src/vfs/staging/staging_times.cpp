// The time that a user gives to a file he has just written. INTERNALDATE is given by APPEND alone, so a time that comes
// after the upload means another one.

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "vfs/staging/staging_implementation.hpp"

namespace imapfs::vfs {

/// Its time may still be set. Octets of small ones are kept for that.
void Staging::Implementation::remember(const FilePtr& file) {
  const auto& octets = file->content ? file->content : file->as_written;
  const auto same = [&](const Uploaded& other) { return other.node == file->node; };
  // Opened again, and nothing was written: what is kept of it is still right.
  if (!octets && std::any_of(uploaded_.begin(), uploaded_.end(), same)) return;
  std::erase_if(uploaded_, [&](const Uploaded& other) {
    if (!same(other)) return false;
    if (other.content) kept_octets_ -= other.content->size();
    return true;
  });
  uploaded_.push_back(Uploaded{file->node, octets});
  if (octets) kept_octets_ += octets->size();
  std::size_t kept = 0;
  for (auto newest = uploaded_.rbegin(); newest != uploaded_.rend(); ++newest) {
    if (!newest->content || (++kept <= max_kept && kept_octets_ <= max_kept_octets)) continue;
    kept_octets_ -= newest->content->size();
    newest->content.reset();
  }
  std::optional<NodeId> forgotten;
  if (uploaded_.size() > max_uploaded) {
    if (uploaded_.front().content) kept_octets_ -= uploaded_.front().content->size();
    forgotten = uploaded_.front().node;
    uploaded_.pop_front();
  }
  shown_.with_lock([&](Shown& shown) {
    shown.own_messages.insert(file->node);
    if (forgotten) shown.own_messages.erase(*forgotten);
  });
}

void Staging::Implementation::set_time(NodeId node, Timestamp time, const Reply<void>& reply) {
  const auto file = find(node);
  if (!file) return append_again(node, time, reply);
  when_idle(file, [this, file, time, reply] {
    if (file->original && !file->dirty) return date_again(file, time, reply);
    auto row = file->row;
    row.internal_date = time.seconds;
    if (auto kept = around_.journal->update(row); !kept) return reply(fail(std::move(kept).error()));
    file->row = std::move(row);
    file->time = time;
    show(*file);
    reply({});
  });
}

/// Of a file that is closed and on the server.
void Staging::Implementation::append_again(NodeId node, Timestamp time, const Reply<void>& reply) {
  const auto known = std::find_if(uploaded_.begin(), uploaded_.end(),
                                  [&](const Uploaded& uploaded) { return uploaded.node == node; });
  const auto message = around_.aliases.message_of(node);
  if (known == uploaded_.end() || !message) {
    return reply(fail(EPERM, Scope::message, Retry::never, "the time of a message is its INTERNALDATE and stays"));
  }
  date_again(reopen(*known, *message), time, reply);
}

/// The file of a message that was uploaded, as it was before it was closed.
Staging::Implementation::FilePtr Staging::Implementation::reopen(const Uploaded& known,
                                                                 const MessageLocation& message) {
  const NodeId node = known.node;
  auto file = std::make_shared<File>();
  file->node = node;
  file->own = true;
  file->original = Original{node, 1, message, {}};
  refresh(*file->original);
  if (const auto entry = around_.entries.find(node); file->original->meta.uid.value == 0 && entry) {
    file->original->meta = entry->meta;
  }
  file->mailbox = message.mailbox;
  file->name = file->original->meta.file_name;
  file->source = message;
  file->source_size = file->original->meta.size;
  file->changed = Timestamp{file->original->meta.internal_date, 0};
  file->content = known.content;
  files_[node] = file;
  show(*file);
  return file;
}

void Staging::Implementation::date_again(const FilePtr& file, Timestamp time, const Reply<void>& reply) {
  refresh(*file->original);
  const auto finish = [this, file, reply](Result<void> done) {
    if (file->handles.empty()) show_message(file);
    reply(std::move(done));
    if (file->handles.empty() && !file->busy) last_release(file);
  };
  if (time.seconds == file->original->meta.internal_date) return finish({});
  if (!file->own) {
    return finish(fail(EPERM, Scope::message, Retry::never, "the time of a message is its INTERNALDATE and stays"));
  }
  with_content(file, [this, file, time, finish](Result<void> ready) {
    if (!ready) return finish(fail(std::move(ready).error().while_doing("give the message another date")));
    file->time = time;
    file->dirty = true;
    count(*file);
    const auto first = file->original->message;
    upload(file, destination_of(*file), [this, file, first, finish](Result<sync::Arrival> arrived) {
      if (!arrived) {
        // The message is there; only its date is not.
        if (file->has_row()) (void)around_.journal->unstage(std::exchange(file->row.id, {}));
        file->dirty = false;
        file->time.reset();
        return finish(fail(std::move(arrived).error().while_doing("give the message another date")));
      }
      // The same octets twice are of use to nobody: gone for good where the server can (UIDPLUS), else as the policy
      // had it.
      around_.account.expunge_message({first, {}}, {[](const Result<sync::ChangeId>&) {}, {}});
      finish({});
    });
  });
}

}  // namespace imapfs::vfs
