#include "sync/server.hpp"

namespace imapfs::sync {

void Server::open(const imap::SessionPool::Settings& pool, const imap::SessionFactory& factory,
                  imap::PoolListener& listener) {
  pool_ = std::make_unique<imap::SessionPool>(pool, factory, &listener);
}

void Server::adopt(std::unique_ptr<imap::Session> session) { pool_->adopt(std::move(session)); }

void Server::close() {
  if (pool_) pool_->close();
}

imap::PoolJob Server::job_of(Question question) const {
  imap::PoolJob job;
  job.mailbox = std::move(question.mailbox);
  job.priority = question.priority;
  job.context = question.patience ? CallContext::within(*question.patience) : patience();
  job.what = std::move(question.what);
  job.changes = question.changes;
  job.unmakes = std::move(question.unmakes);
  job.awaited = std::move(question.awaited);
  return job;
}

void Server::submit(imap::PoolJob job) {
  if (pool_ && !stopped_) return pool_->submit(std::move(job));
  if (job.done) job.done(fail(ECANCELED, Scope::account, Retry::never, "the account is not running"));
}

void Server::with_connection(Job then) {
  if (online()) return then();
  ask<void>(
      {.what = "reconnect"}, [](imap::Session&, const CallContext&) -> Result<void> { return {}; },
      [then = std::move(then)](const Result<void>&) { then(); });
}

void Server::retry_now() {
  if (pool_) pool_->retry_now();
}

void Server::neighbour_lost(bool silently) {
  if (pool_) pool_->neighbour_lost(silently);
}

void Server::neighbour_answers() {
  if (pool_) pool_->neighbour_answers();
}

void Server::note_traits(const imap::Session& session) {
  auto traits = std::make_shared<const imap::ServerTraits>(session.traits());
  *traits_.lock() = std::move(traits);
}

std::shared_ptr<const imap::ServerTraits> Server::traits() const {
  return traits_.with_lock([](const auto& traits) { return traits; });
}

bool Server::has(std::string_view capability) const {
  const auto known = traits();
  return known && known->has(capability);
}

bool Server::may_have(std::string_view capability) const {
  const auto known = traits();
  return !known || known->has(capability);
}

}  // namespace imapfs::sync
