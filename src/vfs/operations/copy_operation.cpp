#include "vfs/operations/copy_operation.hpp"

#include <utility>

#include "vfs/operations/writable.hpp"

namespace imapfs::vfs {

void CopyOperation::copy(const CopyRangeRequest& request, Reply<std::size_t> reply) {
  auto& staging = *dependencies_.staging;
  auto no_copy = fail(EXDEV, "no copy that the server can make");
  if (!is_mail(request.target) || !Staging::owns(request.target_handle)) return reply(std::move(no_copy));
  const auto source = dependencies_.nodes.resolve(request.source);
  if (source && source->kind == NodeMeaning::Kind::pending) {
    // The bytes of a copy on its way are nowhere but on the server, whatever is staged of it.
    const auto& entry = *source->entry;
    return staging.copy_message(request, {{entry.source, entry.change}, entry.meta}, std::move(reply));
  }
  const bool is_message = source && source->kind == NodeMeaning::Kind::message;
  const auto table = is_message ? dependencies_.account.mailboxes().table(source->message.mailbox) : nullptr;
  if (!table || staging.status(request.source)) return reply(std::move(no_copy));
  const auto message = source->message;
  if (const auto meta = table->find(message.uid)) {
    return staging.copy_message(request, {{message, {}}, *meta}, std::move(reply));
  }
  dependencies_.account.mailboxes().find_message(
      message.mailbox, message.uid,
      [this, &staging, request, message, no_copy, reply = std::move(reply)](Result<MessageMeta> meta) {
        if (!meta) return reply(no_copy);
        // The question may have told UIDVALIDITY.
        const auto known = dependencies_.account.mailboxes().table(message.mailbox);
        const auto validity = known ? known->uid_validity() : message.uid_validity;
        staging.copy_message(request, {{{message.mailbox, validity, message.uid}, {}}, *meta}, reply);
      });
}

}  // namespace imapfs::vfs
