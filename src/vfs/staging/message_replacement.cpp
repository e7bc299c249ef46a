#include "vfs/staging/message_replacement.hpp"

#include <utility>

namespace imapfs::vfs {

void MessageReplacement::take_place(const OriginalMessage& own, const std::string& name,
                                    const std::optional<OriginalMessage>& target, const Reply<bool>& reply) const {
  auto file = use_.files.find(own.node);
  const auto displaced = target ? std::nullopt : use_.displaced.find(own.message.mailbox, name);
  const bool fresh = file ? file->own && file->original && !file->dirty
                          : use_.recent.knows(own.node, SteadyClock::now() - DisplacedMessages::memory);
  if (!fresh || (!target && !displaced)) return reply(false);
  if (!file) file = use_.recent.reopen(own.node, own.message);
  use_.files.when_idle(file, [this, file, own, name, target, displaced, reply] {
    file->displaced = displaced;
    replace(file, destination(own, name, target, displaced), reply);
  });
}

UploadDestination MessageReplacement::destination(OriginalMessage own, const std::string& name,
                                                  std::optional<OriginalMessage> target,
                                                  const std::optional<DisplacedMessage>& displaced) const {
  UploadDestination destination{own.message.mailbox, name, {}, {}, {}};
  if (displaced) use_.destinations.inherit(*displaced, destination);
  if (target) {
    use_.originals.refresh(*target);
    destination.replaces = target->message;
    destination.flags = UploadDestinations::flags_to_give(target->meta.flags);
    destination.internal_date = target->meta.internal_date;
  }
  // Flags that a user has given to the new one are its own.
  use_.originals.refresh(own);
  const auto given = UploadDestinations::flags_to_give(own.meta.flags);
  if (given.to_string() != use_.append_flags.to_string()) destination.flags = given;
  return destination;
}

/// Uploaded once more, as what it takes the place of; what it was before is of use to nobody then.
void MessageReplacement::replace(const StagedFilePtr& file, const UploadDestination& destination,
                                 const Reply<bool>& reply) const {
  const auto finish = [this, file, reply](Result<bool> done) {
    reply(std::move(done));
    use_.files.look_whether_unused(file);
  };
  use_.loader.with_content(file, [this, file, destination, finish](Result<void> ready) {
    if (!ready) return finish(fail(std::move(ready).error().while_doing("replace the message")));
    file->dirty = true;
    use_.limits.count(*file);
    upload(file, destination, finish);
  });
}

void MessageReplacement::upload(const StagedFilePtr& file, const UploadDestination& destination,
                                const Completion<bool>& done) const {
  const auto first = file->original->message;
  use_.uploader.upload(file, destination, [this, file, destination, first, done](Result<sync::Arrival> arrived) {
    if (!arrived) {
      (void)use_.outbox.discard(file->row);
      file->dirty = false;
      file->displaced.reset();
      return done(fail(std::move(arrived).error().while_doing("replace the message")));
    }
    use_.entries.rename(file->node, destination.mailbox, destination.name);
    // By the policy, and for good where the server can (UIDPLUS).
    const auto ignored = [](const Result<sync::ChangeId>&) {};
    use_.changes.remove({first, {}}, {ignored, {}});
    use_.changes.expunge({first, {}}, {ignored, {}});
    done(true);
  });
}

}  // namespace imapfs::vfs
