#include "sync_engine_implementation.hpp"

namespace imapfs::sync {
namespace {

Error read_only() { return {EROFS, Scope::request, Retry::never, "changes are not possible"}; }

}  // namespace

void EngineImplementation::upload(const Upload&, Completion<Arrival> done) { done(fail(read_only())); }
void EngineImplementation::copy_message(const ChangeSource&, const ArrivalTarget&, ChangeReply reply) {
  reply.accepted(fail(read_only()));
}
void EngineImplementation::move_message(const ChangeSource&, const ArrivalTarget&, ChangeReply reply) {
  reply.accepted(fail(read_only()));
}
void EngineImplementation::remove_message(const ChangeSource&, ChangeReply reply) { reply.accepted(fail(read_only())); }
void EngineImplementation::expunge_message(const ChangeSource&, ChangeReply reply) {
  reply.accepted(fail(read_only()));
}
void EngineImplementation::restore_message(const ChangeSource&, const std::string&, ChangeReply reply) {
  reply.accepted(fail(read_only()));
}
void EngineImplementation::give_name(const MessageLocation&, const std::string&, const MessageLocation&,
                                     Completion<void> done) {
  done(fail(read_only()));
}
void EngineImplementation::settle(MailboxId, Completion<void> done) { done({}); }
std::vector<PendingArrival> EngineImplementation::pending_arrivals() const { return {}; }
void EngineImplementation::await_change(ChangeId, Completion<Arrival> finished) { finished(fail(read_only())); }

}  // namespace imapfs::sync
