#include "vfs/views/message_reader.hpp"

#include <utility>

namespace imapfs::vfs {

namespace {

using State = OpenBodies::State;

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
/// length is proved: with the last byte that the kernel knows of, or with what should follow it, the kernel must hear
/// of a size that was too small.
bool ends_below(std::uint64_t size, const ReadRequest& request) {
  return request.offset < size && request.size < size - request.offset;
}

/// Bytes fetched at once for readers of a message that is about to go.
constexpr std::size_t kept_at_once = 1 << 20;

/// Reads what is beyond `offset`, piece by piece. An Error ends it as well: readers meet it themselves.
void read_to_end(const std::shared_ptr<sync::Body>& body, std::uint64_t offset, Job done) {
  if (body->whole() || offset >= body->length()) return done();
  body->read(offset, kept_at_once, [body, offset, done = std::move(done)](Result<BodySlice> slice) {
    if (!slice || slice->length == 0) return done();
    read_to_end(body, offset + slice->length, done);
  });
}

}  // namespace

// -- open --

void MessageReader::open(const Node& node, Reply<OpenResult> reply) {
  auto row = metadata_.row(node);
  if (row && bodies_.open_can_wait(node)) return open_unread(node, *row, reply);
  bodies_.open(node, [this, node, before = std::move(row), reply = std::move(reply)](Result<BodyPtr> body) {
    if (!body) return reply(fail(std::move(body).error().while_doing("open the message")));
    opened(node, before, *body, reply);
  });
}

OpenResult MessageReader::open_result(const Node& node) const {
  OpenResult result;
  result.handle = metadata_.uid_validity(node).value;
  result.keep_cache = true;
  result.no_flush = true;
  return result;
}

void MessageReader::open_unread(const Node& node, const MessageMeta& meta, const Reply<OpenResult>& reply) {
  auto result = open_result(node);
  const bool holds = open_.add_unread({node, result.handle, meta.size}, metadata_.entry(node, meta));
  if (holds) kernel_.hold_attributes(node.id);
  // The length was proved for a reader who has closed the file since: the news may still be on its way.
  result.size_corrected = holds && meta.size_is_exact;
  reply(std::move(result));
}

/// `before`: the row as it was before the body was fetched.
void MessageReader::opened(const Node& node, std::optional<MessageMeta> before, const BodyPtr& body,
                           Reply<OpenResult> reply) {
  auto result = open_result(node);
  // Without an earlier row nobody knows what an earlier process has shown: an invalidation too many is harmless.
  result.size_corrected = !before || before->size != body->length();
  // Another open of the same file may keep the kernel from hearing what the table knows.
  const auto other = open_.find(node.id, result.handle);
  const bool unread = other.state == State::unread || other.state == State::unproved;
  if (unread && prove_length(other.unread, body)) result.size_corrected = true;
  auto meta = metadata_.row(node);
  if (!meta) meta = std::move(before);
  auto entry = meta ? metadata_.entry(node, *meta) : std::nullopt;
  if (entry) entry->attributes.size = body->length();
  open_.add(node, result.handle, body, std::move(entry));
  push(node, body, std::move(result), std::move(reply));
}

/// Gives the kernel the whole of a small body that is on disk.
void MessageReader::push(const Node& node, const BodyPtr& body, OpenResult result, Reply<OpenResult> reply) {
  const std::uint64_t length = body->length();
  if (length == 0 || length > settings_.push_limit || !body->whole() || !pushed_.begin(node.id, result.handle)) {
    return reply(std::move(result));
  }
  body->read(0, static_cast<std::size_t>(length),
             [body, length, result = std::move(result), reply = std::move(reply)](Result<BodySlice> slice) mutable {
               if (slice && slice->length == length) result.whole = std::move(*slice);
               reply(std::move(result));
             });
}

void MessageReader::release(NodeId node, HandleId handle) {
  if (open_.release(node, handle)) kernel_.release_attributes(node);
}

// -- read --

void MessageReader::read(const Node& node, const ReadRequest& request, Reply<ReadResult> reply) {
  open_.drop_replaced(node, request.handle);
  const auto open = open_.find(node.id, request.handle);
  switch (open.state) {
    case State::none: return reopen(node, request, std::move(reply));
    case State::unread: return read_unread(open.unread, request, std::move(reply));
    case State::unproved: return read_unproved(open.unread, open.body, request, std::move(reply));
    case State::known: return read_known(node, open.body, request, std::move(reply));
  }
}

void MessageReader::read_known(const Node& node, const BodyPtr& body, const ReadRequest& request,
                               Reply<ReadResult> reply) {
  read_body(body, request, [this, node, request, reply = std::move(reply)](Result<ReadResult> result) {
    if (result || result.error().errnum != ESTALE) return reply(std::move(result));
    // It broke off, because the message was moved or is gone.
    bodies_.open_moved(node.id, result.error(), [this, node, request, reply](Result<BodyPtr> moved) {
      if (!moved) return reply(fail(std::move(moved).error()));
      open_.replace(node, request.handle, *moved);
      read_body(*moved, request, reply);
    });
  });
}

/// The first READ of an open, or one that needs the proof of the length.
void MessageReader::read_unread(const Unread& unread, const ReadRequest& request, Reply<ReadResult> reply) {
  const auto& node = unread.node;
  if (auto same = check_uid_validity(node, unread.handle); !same) return reply(fail(std::move(same).error()));
  auto opened = for_reader(node, unread.handle, reply, [this, unread, request, reply](const BodyPtr& body) {
    if (!body->length_is_proved()) open_.keep_unproved(unread.node.id, unread.handle, body);
    read_until_proved(unread, body, request, reply);
  });
  if (!ends_below(unread.told_size, request)) return bodies_.open(node, std::move(opened));
  bodies_.open_at(node, request.offset, request.size, std::move(opened));
}

void MessageReader::read_unproved(const Unread& unread, const BodyPtr& body, const ReadRequest& request,
                                  Reply<ReadResult> reply) {
  const bool serves = body->length_is_proved() || ends_below(unread.told_size, request);
  if (!serves) return read_unread(unread, request, std::move(reply));
  read_until_proved(unread, body, request, [this, unread, body, request, reply](Result<ReadResult> result) {
    if (result) return reply(std::move(result));
    open_.drop_unproved(unread.node.id, unread.handle, body);
    // It may have been moved: opened anew, it is looked for.
    if (result.error().errnum == ESTALE) return read_unread(unread, request, reply);
    reply(std::move(result));
  });
}

/// The length may be proved now, or when the bytes have come.
void MessageReader::read_until_proved(const Unread& unread, const BodyPtr& body, const ReadRequest& request,
                                      Reply<ReadResult> reply) {
  const auto known = body->length_is_proved() ? std::optional(prove_length(unread, body)) : std::nullopt;
  read_body(body, request, [this, unread, body, known, reply = std::move(reply)](Result<ReadResult> result) {
    const bool corrected = known ? *known : body->length_is_proved() && prove_length(unread, body);
    if (result) result->size_corrected = corrected;
    reply(std::move(result));
  });
}

/// The open happened in an earlier process, or the file was written to since. Its handle says which UIDVALIDITY the
/// reader means.
void MessageReader::reopen(const Node& node, const ReadRequest& request, Reply<ReadResult> reply) {
  const auto& message = node.meaning.message;
  // A node that stands for another message by now was opened under another UIDVALIDITY.
  const HandleId handle = node.id == message_node(message.mailbox, message.uid) ? request.handle : 0;
  if (auto same = check_uid_validity(node, handle); !same) return reply(fail(std::move(same).error()));
  bodies_.open(node, for_reader(node, handle, reply, [this, node, request, reply](const BodyPtr& body) {
                 open_.replace(node, request.handle, body);
                 if (open_.stop_holding(node.id, request.handle)) kernel_.release_attributes(node.id);
                 read_body(body, request, reply);
               }));
}

/// For a body that a READ opens by itself: `then` gets it if it is of the message that the handle means.
MessageBodies::Opened MessageReader::for_reader(const Node& node, HandleId handle, const Reply<ReadResult>& reply,
                                                std::function<void(const BodyPtr&)> then) const {
  return [this, node, handle, reply, then = std::move(then)](Result<BodyPtr> body) {
    if (!body) return reply(fail(as_seen_by_reader(std::move(body).error().while_doing("open the message"))));
    if (auto same = check_uid_validity(node, handle); !same) return reply(fail(std::move(same).error()));
    then(*body);
  };
}

/// 0, as a handle or as what the server has told, is any.
Result<void> MessageReader::check_uid_validity(const Node& node, HandleId handle) const {
  const auto now = metadata_.uid_validity(node).value;
  if (handle == 0 || now == 0 || now == handle) return {};
  return fail(ESTALE, Scope::message, Retry::never, "UIDVALIDITY has changed");
}

/// The length of a body is known, and what the kernel was told may be wrong. True if that is too small.
bool MessageReader::prove_length(const Unread& unread, const BodyPtr& body) {
  const bool too_short = body->length() < unread.told_size;
  open_.replace(unread.node, unread.handle, body);
  // A size that is too large is put right by a READ that comes back short, as long as nothing is invalidated.
  if (!too_short && open_.stop_holding(unread.node.id, unread.handle)) kernel_.release_attributes(unread.node.id);
  return body->length() > unread.told_size;
}

// -- what readers are promised --

void MessageReader::keep_readable(NodeId node, Job done) {
  const auto body = open_.find_unfinished(node);
  if (!body || body->length() > max_kept_for_readers) return done();
  read_to_end(body, 0, std::move(done));
}

void MessageReader::keep_open(NodeId node, Job done) {
  const auto unread = open_.find_unread(node);
  if (!unread || unread->told_size > max_kept_for_readers) return keep_readable(node, std::move(done));
  bodies_.open(unread->node, [this, unread = *unread, done = std::move(done)](const Result<BodyPtr>& body) {
    // An Error is met by readers themselves.
    if (body && prove_length(unread, *body)) kernel_.file_changed(unread.node.id, false);
    keep_readable(unread.node.id, done);
  });
}

}  // namespace imapfs::vfs
