#include "vfs/views/message.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/sync/errors.hpp"
#include "vfs/nodes/entries.hpp"
#include "vfs/nodes/timestamps.hpp"

namespace imapfs::vfs {

namespace {

/// An open file does not lose its name: POSIX has ESTALE for one whose content is gone.
Error as_seen_by_reader(Error error) {
  if (error.errnum == ENOENT) error.errnum = ESTALE;
  return error;
}

void read_body(const std::shared_ptr<sync::Body>& body, const ReadRequest& request, Reply<ReadResult> reply) {
  if (request.size == 0) return reply(ReadResult(std::string()));
  body->read(request.offset, request.size, [body, reply = std::move(reply)](Result<BodySlice> slice) {
    if (!slice) {
      return reply(fail(as_seen_by_reader(std::move(slice).error().while_doing("read the message"))));
    }
    if (slice->length == 0) return reply(ReadResult(std::string()));
    reply(ReadResult(std::move(*slice)));
  });
}

/// Whether a READ leaves the end of the file alone, as the kernel knows it. Only such a one is answered before the
/// length is proved: with the last octet that the kernel knows of, or with what should follow it, the kernel must hear
/// of a size that was too small.
bool ends_below(std::uint64_t size, const ReadRequest& request) {
  return request.offset < size && request.size < size - request.offset;
}

/// Attributes known without asking for header fields. Nothing where the server has no such thing.
std::optional<std::string> xattr_from_meta(const MessageMeta& meta, std::string_view name) {
  if (name == "user.imap.uid") return std::to_string(meta.uid.value);
  if (name == "user.imap.flags") return meta.flags.to_string();
  if (name == "user.imap.internaldate") return rfc3339(meta.internal_date);
  if (name == "user.imap.modseq" && meta.modseq.value != 0) return std::to_string(meta.modseq.value);
  return std::nullopt;
}

std::optional<std::string> xattr_from_details(const sync::MessageDetails& details, std::string_view name) {
  if (name == "user.imap.message-id") return details.headers.message_id;
  if (name == "user.imap.from") return details.headers.from;
  if (name == "user.imap.to") return details.to;
  if (name == "user.imap.subject") return details.headers.subject;
  return std::nullopt;
}

/// Octets fetched at once for readers of a message that is about to go.
constexpr std::size_t kept_at_once = 1 << 20;

/// Reads what is beyond `offset`, piece by piece. An Error ends it as well: readers meet it themselves.
void read_to_end(const std::shared_ptr<sync::Body>& body, std::uint64_t offset, Job done) {
  if (body->whole() || offset >= body->length()) return done();
  body->read(offset, kept_at_once, [body, offset, done = std::move(done)](Result<BodySlice> slice) {
    if (!slice || slice->length == 0) return done();
    read_to_end(body, offset + slice->length, done);
  });
}

/// Of a message on its way: what a server will say of it is not known.
bool is_known_on_arrival(std::string_view name) {
  return name == "user.imap.uid" || name == "user.imap.uidvalidity" || name == "user.imap.modseq";
}

bool comes_from_details(std::string_view name) { return xattr_from_details({}, name).has_value(); }

bool comes_from_meta(std::string_view name) {
  return name == "user.imap.uid" || name == "user.imap.flags" || name == "user.imap.internaldate" ||
         name == "user.imap.modseq";
}

}  // namespace

std::optional<MessageMeta> MessageView::meta_in_memory(const Node& node) const {
  const auto table = context_.account.table(node.meaning.mailbox);
  return table ? table->find(node.meaning.uid()) : std::nullopt;
}

UidValidity MessageView::validity(const Node& node) const {
  const auto table = context_.account.table(node.meaning.mailbox);
  return table ? table->uid_validity() : UidValidity{0};
}

std::optional<Entry> MessageView::entry_of(const Node& node, const MessageMeta& meta) const {
  const auto tree = context_.account.tree();
  const auto* mailbox = tree->find(node.meaning.mailbox);
  if (!mailbox) return std::nullopt;
  auto entry = MessageEntries(context_.account, context_.settings, *mailbox, validity(node), &context_.entries)
                   .entry(meta);
  if (entry.node != node.id) {
    // On its way to another mailbox: read where it comes from, known by the kernel as what it was.
    entry.node = node.id;
    if (const auto local = context_.entries.find(node.id)) entry.generation = local->generation;
  }
  show_staged_content(context_, entry);
  return entry;
}

/// What the kernel was shown of a message that no table has.
std::optional<MessageMeta> MessageView::local_meta(const Node& node) const {
  auto local = context_.entries.find(node.id);
  if (!local || local->kind == LocalEntry::Kind::staged) return std::nullopt;
  return std::move(local->meta);
}

bool MessageView::is_pending(const Node& node) const {
  const auto local = context_.entries.find(node.id);
  return local && local->kind == LocalEntry::Kind::pending;
}

/// Where the message has gone that a moment ago was where `node` says; nothing if it has gone nowhere.
void MessageView::with_new_place(const Node& node, std::function<void(Place)> done) {
  const auto valid = [this](Place place) {
    const auto table = place ? context_.account.table(place->mailbox) : nullptr;
    // Under another UIDVALIDITY the UID means another message.
    return table && table->uid_validity() == place->uid_validity ? place : std::nullopt;
  };
  const auto local = context_.entries.find(node.id);
  if (!local || local->kind != LocalEntry::Kind::pending) return done(valid(context_.entries.message_of(node.id)));
  context_.account.await_change(local->change,
                                [this, valid, id = node.id, done = std::move(done)](Result<sync::Arrival> arrival) {
                                  const bool found = arrival && arrival->message.uid.value != 0;
                                  done(valid(found ? Place(arrival->message) : context_.entries.message_of(id)));
                                });
}

void MessageView::keep_readable(NodeId node, Job done) {
  const auto body = bodies_.find_unfinished(node);
  if (!body || body->length() > max_kept_for_readers) return done();
  read_to_end(body, 0, std::move(done));
}

void MessageView::keep_open(NodeId node, Job done) {
  const auto unread = bodies_.find_unread(node);
  if (!unread || unread->size > max_kept_for_readers) return keep_readable(node, std::move(done));
  open_body(unread->node, [this, unread = *unread, done = std::move(done)](Result<std::shared_ptr<sync::Body>> body) {
    // An Error is met by readers themselves.
    if (body && take_first(unread, *body)) publisher_.file_changed(unread.node.id, false);
    keep_readable(unread.node.id, done);
  });
}

/// The message from the table, or from the server while the table is not complete.
void MessageView::with_meta(const Node& node, Completion<MessageMeta> done) {
  const auto table = context_.account.table(node.meaning.mailbox);
  if (!table) return done(fail(sync::no_such_message()));
  if (auto meta = table->find(node.meaning.uid())) return done(std::move(*meta));
  if (auto meta = local_meta(node)) return done(std::move(*meta));
  if (table->complete()) return done(fail(sync::no_such_message()));
  context_.account.find_message(node.meaning.mailbox, node.meaning.uid(), std::move(done));
}

void MessageView::entry(const Node& node, Reply<Entry> reply) {
  if (const auto meta = meta_in_memory(node)) {
    if (auto entry = entry_of(node, *meta)) return reply(std::move(*entry));
  }
  if (const auto meta = local_meta(node)) {
    if (auto entry = entry_of(node, *meta)) return reply(std::move(*entry));
  }
  if (auto open = bodies_.find_entry(node.id)) {
    open->attributes.links = 0;
    open->entry_timeout = std::chrono::seconds(0);
    return reply(std::move(*open));
  }
  with_meta(node, [this, node, reply = std::move(reply)](Result<MessageMeta> meta) {
    if (!meta) return reply(fail(std::move(meta).error()));
    if (auto entry = entry_of(node, *meta)) return reply(std::move(*entry));
    reply(fail(sync::no_such_message()));
  });
}

/// A message that was moved in the meantime is opened where it is now.
MessageView::OpenDone MessageView::or_at_new_place(const Node& node, OpenDone done) {
  return [this, node, done = std::move(done)](Result<std::shared_ptr<sync::Body>> body) {
    if (body || body.error().errnum != ENOENT) return done(std::move(body));
    with_new_place(node, [this, done, error = std::move(body).error()](Place place) {
      if (!place) return done(fail(error));
      context_.account.open_body(place->mailbox, place->uid, done);
    });
  };
}

void MessageView::open_body(const Node& node, OpenDone done) {
  context_.account.open_body(node.meaning.mailbox, node.meaning.uid(), or_at_new_place(node, std::move(done)));
}

void MessageView::open(const Caller&, const Node& node, int, Reply<OpenResult> reply) {
  if (context_.account.open_can_wait(node.meaning.mailbox, node.meaning.uid())) {
    if (const auto meta = meta_in_memory(node)) return opened_unread(node, *meta, reply);
  }
  open_body(node, [this, node, before = meta_in_memory(node),
                   reply = std::move(reply)](Result<std::shared_ptr<sync::Body>> body) {
    if (!body) return reply(fail(std::move(body).error().while_doing("open the message")));
    opened(node, before, *body, reply);
  });
}

void MessageView::opened_unread(const Node& node, const MessageMeta& meta, const Reply<OpenResult>& reply) {
  OpenResult result;
  result.handle = validity(node).value;
  result.keep_cache = true;
  result.no_flush = true;
  const bool holds = bodies_.add_unread({node, meta.size, result.handle}, entry_of(node, meta));
  if (holds) publisher_.hold_attributes(node.id);
  // The length was proved behind the back of a reader who has closed the file since: the news may still be on its way.
  result.size_corrected = holds && meta.size_is_exact;
  reply(std::move(result));
}

/// The body of an open that did without. True if the kernel was told a size that is too small.
bool MessageView::take_first(const OpenBodies::Unread& unread, const std::shared_ptr<sync::Body>& body) {
  const bool too_short = body->length() < unread.size;
  bodies_.replace(unread.node, unread.handle, body);
  // A size that is too large is put right by a READ that comes back short, as long as nothing is invalidated.
  if (!too_short && bodies_.stop_holding(unread.node.id, unread.handle)) publisher_.release_attributes(unread.node.id);
  return body->length() > unread.size;
}

/// A READ of an open whose length is not known yet.
void MessageView::read_unread(const OpenBodies::Unread& unread, const std::shared_ptr<sync::Body>& unproved,
                              const ReadRequest& request, Reply<ReadResult> reply) {
  const bool serves = unproved && (unproved->length_is_proved() || ends_below(unread.size, request));
  if (!serves) return read_first(unread, request, std::move(reply));
  read_unproved(unread, unproved, request, [this, unread, unproved, request, reply](Result<ReadResult> result) {
    if (result) return reply(std::move(result));
    bodies_.drop_unproved(unread.node.id, unread.handle, unproved);
    // It may have been moved: opened anew, it is looked for.
    if (result.error().errnum == ESTALE) return read_first(unread, request, reply);
    reply(std::move(result));
  });
}

/// The length may be known when the octets come.
void MessageView::read_unproved(const OpenBodies::Unread& unread, const std::shared_ptr<sync::Body>& body,
                                const ReadRequest& request, Reply<ReadResult> reply) {
  read_body(body, request, [this, unread, body, reply = std::move(reply)](Result<ReadResult> result) {
    const bool size_corrected = body->length_is_proved() && take_first(unread, body);
    if (result) result->size_corrected = size_corrected;
    reply(std::move(result));
  });
}

void MessageView::read_first(const OpenBodies::Unread& unread, const ReadRequest& request, Reply<ReadResult> reply) {
  const auto stale = [this, unread] {
    const auto now = validity(unread.node).value;
    return now != 0 && unread.handle != 0 && now != unread.handle;
  };
  if (stale()) return reply(fail(ESTALE, Scope::message, Retry::never, "UIDVALIDITY has changed"));
  auto opened = [this, unread, request, stale, reply = std::move(reply)](Result<std::shared_ptr<sync::Body>> body) {
    if (!body) return reply(fail(as_seen_by_reader(std::move(body).error().while_doing("open the message"))));
    if (stale()) return reply(fail(ESTALE, Scope::message, Retry::never, "UIDVALIDITY has changed"));
    if (!(*body)->length_is_proved()) {
      bodies_.keep_unproved(unread.node.id, unread.handle, *body);
      return read_unproved(unread, *body, request, reply);
    }
    const bool size_corrected = take_first(unread, *body);
    read_body(*body, request, [size_corrected, reply](Result<ReadResult> result) {
      if (result) result->size_corrected = size_corrected;
      reply(std::move(result));
    });
  };
  const auto& place = unread.node.meaning;
  if (!ends_below(unread.size, request)) return open_body(unread.node, std::move(opened));
  context_.account.open_body_at(place.mailbox, place.uid(), request.offset, request.size,
                                or_at_new_place(unread.node, std::move(opened)));
}

void MessageView::opened(const Node& node, std::optional<MessageMeta> before, const std::shared_ptr<sync::Body>& body,
                         Reply<OpenResult> reply) {
  OpenResult result;
  result.handle = validity(node).value;
  result.keep_cache = true;
  result.no_flush = true;
  // Without an earlier row nobody knows what an earlier process has shown: an invalidation too many is harmless.
  result.size_corrected = !before || before->size != body->length();
  // Another open of the same file may keep the kernel from hearing what the table knows.
  const auto unread = bodies_.find_unread(node.id, result.handle);
  if (unread && take_first(*unread, body)) result.size_corrected = true;
  auto meta = meta_in_memory(node);
  if (!meta) meta = std::move(before);
  std::optional<Entry> entry = meta ? entry_of(node, *meta) : std::nullopt;
  if (entry) entry->attributes.size = body->length();
  bodies_.add(node, result.handle, body, entry);

  const std::uint64_t length = body->length();
  if (length == 0 || length > context_.settings.push_limit || !body->whole() ||
      !pushed_.begin(node.id, result.handle)) {
    return reply(std::move(result));
  }
  body->read(0, static_cast<std::size_t>(length),
             [body, length, result = std::move(result), reply = std::move(reply)](Result<BodySlice> slice) mutable {
               if (slice && slice->length == length) result.whole = std::move(*slice);
               reply(std::move(result));
             });
}

void MessageView::read(const Caller&, const Node& node, const ReadRequest& request, Reply<ReadResult> reply) {
  bodies_.drop_replaced(node, request.handle);
  const auto open = bodies_.find(node.id, request.handle);
  if (open.unread) return read_unread(*open.unread, open.body, request, std::move(reply));
  if (!open.body) return reopen(node, request, std::move(reply));
  read_body(open.body, request, [this, node, request, reply = std::move(reply)](Result<ReadResult> result) {
    if (result || result.error().errnum != ESTALE) return reply(std::move(result));
    read_at_new_place(node, request, result.error(), reply);
  });
}

/// The body of an open message broke off because it was moved.
void MessageView::read_at_new_place(const Node& node, const ReadRequest& request, const Error& gone,
                                    Reply<ReadResult> reply) {
  with_new_place(node, [this, node, request, gone, reply = std::move(reply)](Place place) {
    if (!place) return reply(fail(gone));
    context_.account.open_body(place->mailbox, place->uid,
                               [this, node, request, gone, reply](Result<std::shared_ptr<sync::Body>> body) {
                                 if (!body)
                                   return reply(fail(body.error().errnum == ENOENT ? gone : std::move(body).error()));
                                 bodies_.replace(node, request.handle, *body);
                                 read_body(*body, request, reply);
                               });
  });
}

/// The open happened in an earlier process, or the file was written to since. Its handle says which UIDVALIDITY the
/// reader means.
void MessageView::reopen(const Node& node, const ReadRequest& request, Reply<ReadResult> reply) {
  // A node that stands for another message by now was opened under another UIDVALIDITY.
  const bool itself = node.id == message_node(node.meaning.mailbox, node.meaning.uid());
  const auto stale = [request, itself](UidValidity now) {
    return itself && request.handle != 0 && now.value != 0 && now.value != request.handle;
  };
  if (stale(validity(node))) return reply(fail(ESTALE, Scope::message, Retry::never, "UIDVALIDITY has changed"));
  open_body(node, [this, node, request, stale, reply = std::move(reply)](Result<std::shared_ptr<sync::Body>> body) {
    if (!body) return reply(fail(as_seen_by_reader(std::move(body).error().while_doing("open the message again"))));
    if (stale(validity(node))) {
      return reply(fail(ESTALE, Scope::message, Retry::never, "UIDVALIDITY has changed"));
    }
    bodies_.replace(node, request.handle, *body);
    if (bodies_.stop_holding(node.id, request.handle)) publisher_.release_attributes(node.id);
    read_body(*body, request, reply);
  });
}

void MessageView::release(const Node& node, HandleId handle) {
  if (bodies_.release(node.id, handle)) publisher_.release_attributes(node.id);
}

void MessageView::forget(const Node& node) { pushed_.forget(node.id); }

void MessageView::xattr(const Node& node, const std::string& name, Reply<std::string> reply) {
  if (is_known_on_arrival(name) && is_pending(node)) return reply(fail(ENODATA, "the message has not arrived yet"));
  if (name == "user.imap.uidvalidity") {
    const auto value = validity(node).value;
    if (value == 0) return reply(fail(ENODATA, "the server has no UIDVALIDITY here"));
    return reply(std::to_string(value));
  }
  if (comes_from_meta(name)) {
    return with_meta(node, [name, reply = std::move(reply)](Result<MessageMeta> meta) {
      if (!meta) return reply(fail(std::move(meta).error()));
      if (auto value = xattr_from_meta(*meta, name)) return reply(std::move(*value));
      reply(fail(ENODATA, "the server has no such property"));
    });
  }
  if (comes_from_details(name)) {
    return context_.account.details(node.meaning.mailbox, node.meaning.uid(),
                                    [name, reply = std::move(reply)](Result<sync::MessageDetails> details) {
                                      if (!details)
                                        return reply(fail(std::move(details).error().while_doing("get header fields")));
                                      reply(xattr_from_details(*details, name).value_or(std::string()));
                                    });
  }
  reply(fail(ENODATA, "no such attribute"));
}

std::vector<std::string> MessageView::xattr_names(const Node& node) const {
  std::vector<std::string> names = {"user.imap.flags", "user.imap.internaldate"};
  const bool arrived = !is_pending(node);
  if (arrived) names.emplace_back("user.imap.uid");
  if (arrived && validity(node).value != 0) names.emplace_back("user.imap.uidvalidity");
  const auto meta = meta_in_memory(node);
  if (arrived && meta && meta->modseq.value != 0) names.emplace_back("user.imap.modseq");
  for (const char* name : {"user.imap.message-id", "user.imap.from", "user.imap.to", "user.imap.subject"}) {
    names.emplace_back(name);
  }
  return names;
}

}  // namespace imapfs::vfs
