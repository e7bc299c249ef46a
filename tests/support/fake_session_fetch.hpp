#pragma once
// FakeSession's commands that fetch. Included by fake_session.hpp.

#include "fake_session.hpp"

namespace imapfs::testing {

inline Result<void> FakeSession::fetch(const FetchRequest& request,
                                       const std::function<void(const imap::FetchRow&)>& rows,
                                       const CallContext& context) {
  Lock lock(state_->mutex);
  IMAPFS_TRY(enter(request.items.header_fields.empty() ? "FETCH flags" : "FETCH headers", lock, context));
  if (request.changed_since && !has("CONDSTORE")) return fail(EINVAL, "FETCH: CHANGEDSINCE without CONDSTORE");
  std::vector<std::pair<std::uint32_t, FakeMessage>> messages;
  std::uint32_t sequence = 0;
  for (const auto& [uid, message] : IMAPFS_TRY(selected_mailbox())->messages) {
    ++sequence;
    if (request.uids.contains(uid) && (!request.changed_since || message.modseq > *request.changed_since))
      messages.emplace_back(sequence, message);
  }
  for (const auto& [number, message] : messages) {
    IMAPFS_TRY(pass_gate("FETCH row", lock, context));
    imap::FetchRow row;
    row.uid = message.uid;
    row.sequence = number;
    if (request.items.flags) row.flags = message.flags;
    if (request.items.internal_date) row.internal_date = message.internal_date;
    if (request.items.size) row.size = message.reported_size;
    // RFC 7162 §3.1.4.1: CHANGEDSINCE implies MODSEQ in the answer.
    if (has("CONDSTORE") && (request.items.modseq || request.changed_since)) row.modseq = message.modseq;
    std::string block;
    if (!request.items.header_fields.empty()) block = header_fields_of(*message.body, request.items.header_fields);
    row.header_block = block;
    state_->header_bytes += block.size();
    lock.unlock();
    rows(row);
    lock.lock();
  }
  if (request.vanished && request.changed_since && has("QRESYNC")) {
    const auto gone = IMAPFS_TRY(selected_mailbox())->vanished_since(*request.changed_since);
    lock.unlock();
    if (!gone.empty()) request.vanished(gone);
    lock.lock();
  }
  deliver_pending(lock);
  return {};
}

inline Result<void> FakeSession::send_body(const std::string& body, imap::OctetRange range, imap::BodySink& sink,
                                           Lock& lock, const CallContext& context) {
  const std::uint64_t begin = std::min<std::uint64_t>(range.offset, body.size());
  const std::uint64_t length = std::min<std::uint64_t>(range.length, body.size() - begin);
  lock.unlock();
  auto result = sink.begin(length);
  lock.lock();
  // A sink that gives up leaves a literal unread on the connection.
  if (!result) return lose(Error{result.error().errnum, Scope::session, Retry::never, result.error().what});
  for (std::uint64_t sent = 0; sent < length;) {
    IMAPFS_TRY(pass_gate("FETCH body data", lock, context));
    const auto size = std::min<std::uint64_t>(state_->chunk_bytes, length - sent);
    lock.unlock();
    result = sink.data(std::span(body).subspan(begin + sent, size));
    lock.lock();
    if (!result) return lose(Error{result.error().errnum, Scope::session, Retry::never, result.error().what});
    sent += size;
    state_->body_bytes += size;
  }
  return {};
}

/// As the session does it: the last octet is never given.
inline Result<void> FakeSession::send_lie(const std::string& body, std::uint64_t announced, imap::BodySink& sink,
                                          Lock& lock) {
  lock.unlock();
  auto given = sink.begin(announced);
  if (given) given = sink.data(std::span(body).first(std::min<std::size_t>(body.size(), announced) - 1));
  lock.lock();
  return lose(Error{EIO, Scope::session, Retry::never, "protocol error: the server announced another length"});
}

inline Result<void> FakeSession::fetch_body(Uid uid, std::optional<imap::OctetRange> range, imap::BodySink& sink,
                                            const CallContext& context) {
  Lock lock(state_->mutex);
  IMAPFS_TRY(enter("FETCH body", lock, context));
  const auto body = IMAPFS_TRY(body_of(uid));
  state_->bodies_fetched.push_back({selected_, uid, range});
  if (const auto lie = state_->lying_literals.find(uid.value); lie != state_->lying_literals.end()) {
    return send_lie(*body, lie->second, sink, lock);
  }
  IMAPFS_TRY(send_body(*body, range.value_or(imap::OctetRange{0, body->size()}), sink, lock, context));
  deliver_pending(lock);
  return {};
}

inline Result<void> FakeSession::fetch_head_and_tail(Uid uid, std::uint64_t head_length, imap::OctetRange tail,
                                                     imap::BodySink& head_sink, imap::BodySink& tail_sink,
                                                     const CallContext& context) {
  Lock lock(state_->mutex);
  IMAPFS_TRY(enter("FETCH head and tail", lock, context));
  const auto body = IMAPFS_TRY(body_of(uid));
  const imap::OctetRange head{0, head_length};
  state_->bodies_fetched.push_back({selected_, uid, head});
  state_->bodies_fetched.push_back({selected_, uid, tail});
  IMAPFS_TRY(send_body(*body, head, head_sink, lock, context));
  IMAPFS_TRY(pass_gate("FETCH tail", lock, context));
  IMAPFS_TRY(send_body(*body, tail, tail_sink, lock, context));
  deliver_pending(lock);
  return {};
}

/// The session's pipeline of two.
inline Result<void> FakeSession::fetch_ranges(Uid uid, imap::BodyRangeSink& sink, SteadyClock::duration silence,
                                              const CallContext& context) {
  class OneRange final : public imap::BodySink {
   public:
    OneRange(imap::BodyRangeSink& sink, const imap::OctetRange& range) : sink_(sink), range_(range) {}
    Result<void> begin(std::uint64_t length) override { return sink_.begin(range_, length); }
    Result<void> data(std::span<const char> bytes) override { return sink_.data(bytes); }

   private:
    imap::BodyRangeSink& sink_;
    const imap::OctetRange range_;
  };
  Lock lock(state_->mutex);
  const auto body = IMAPFS_TRY(body_of(uid));
  std::deque<imap::OctetRange> sent;
  const auto ask = [&]() -> Result<void> {
    while (sent.size() < 2) {
      lock.unlock();
      const auto range = sink.next_range();
      lock.lock();
      if (!range) break;
      const auto patience = CallContext{context.stop, std::min(context.deadline, SteadyClock::now() + silence)};
      IMAPFS_TRY(enter("FETCH body", lock, patience));
      state_->bodies_fetched.push_back({selected_, uid, *range});
      sent.push_back(*range);
    }
    return {};
  };
  for (IMAPFS_TRY(ask()); !sent.empty(); IMAPFS_TRY(ask())) {
    OneRange one(sink, sent.front());
    IMAPFS_TRY(send_body(*body, sent.front(), one, lock, context));
    const auto range = sent.front();
    sent.pop_front();
    lock.unlock();
    sink.answered(range);
    lock.lock();
  }
  deliver_pending(lock);
  return {};
}

/// The session's pipeline of two: a set is asked for while the last one comes in. Missing messages do not come.
inline Result<void> FakeSession::fetch_bodies(imap::BodySetSink& sink, SteadyClock::duration silence,
                                              const CallContext& context) {
  class OneBody final : public imap::BodySink {
   public:
    OneBody(imap::BodySetSink& sink, Uid uid) : sink_(sink), uid_(uid) {}
    Result<void> begin(std::uint64_t length) override { return sink_.begin(uid_, length); }
    Result<void> data(std::span<const char> bytes) override { return sink_.data(bytes); }

   private:
    imap::BodySetSink& sink_;
    const Uid uid_;
  };
  Lock lock(state_->mutex);
  std::deque<UidSet> sent;
  const auto ask = [&]() -> Result<void> {
    while (sent.size() < 2) {
      lock.unlock();
      auto uids = sink.next_set();
      lock.lock();
      if (uids.empty()) break;
      const auto gate_context = CallContext{context.stop, std::min(context.deadline, SteadyClock::now() + silence)};
      IMAPFS_TRY(enter("FETCH bodies", lock, gate_context));
      state_->body_sets.push_back(uids);
      sent.push_back(std::move(uids));
    }
    return {};
  };
  std::size_t answered = 0;
  const auto send = [&](std::span<const Uid> uids) -> Result<void> {
    for (const auto uid : uids) {
      const auto patience = CallContext{context.stop, std::min(context.deadline, SteadyClock::now() + silence)};
      IMAPFS_TRY(pass_gate("FETCH bodies row", lock, patience));
      const auto body = body_of(uid);
      if (!body) continue;  // expunged meanwhile
      OneBody one(sink, uid);
      IMAPFS_TRY(send_body(**body, {0, (*body)->size()}, one, lock, patience));
      lock.unlock();
      auto ended = sink.end();
      lock.lock();
      if (!ended) return lose(std::move(ended).error());
      if (uid != uids.back()) IMAPFS_TRY(ask());
    }
    return {};
  };
  const auto present = [&](const UidSet& uids) -> Result<std::vector<Uid>> {
    std::vector<Uid> found;
    for (const auto& [uid, message] : (*IMAPFS_TRY(selected_mailbox())).messages)
      if (uids.contains(uid)) found.push_back(uid);
    return found;
  };
  const auto answer = [&](std::size_t number) {
    lock.unlock();
    sink.answered(number);
    lock.lock();
  };
  for (IMAPFS_TRY(ask()); !sent.empty(); IMAPFS_TRY(ask())) {
    const auto uids = IMAPFS_TRY(present(sent.front()));
    if (!state_->mixes_body_sets || sent.size() < 2) {
      IMAPFS_TRY(send(uids));
      sent.pop_front();
      answer(answered++);
      continue;
    }
    const auto half = uids.size() / 2;
    IMAPFS_TRY(send(std::span(uids).first(half)));
    IMAPFS_TRY(send(IMAPFS_TRY(present(sent[1]))));
    IMAPFS_TRY(send(std::span(uids).subspan(half)));
    sent.erase(sent.begin(), sent.begin() + 2);
    answer(answered);
    answer(answered + 1);
    answered += 2;
  }
  deliver_pending(lock);
  return {};
}

inline Result<std::string> FakeSession::fetch_header_fields(Uid uid, const std::vector<std::string>& fields,
                                                            const CallContext& context) {
  Lock lock(state_->mutex);
  IMAPFS_TRY(enter("FETCH fields", lock, context));
  auto block = header_fields_of(*IMAPFS_TRY(body_of(uid)), fields);
  state_->header_bytes += block.size();
  deliver_pending(lock);
  return block;
}

}  // namespace imapfs::testing
