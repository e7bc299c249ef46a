#include "imapfs/fuse/request.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <system_error>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::fuse {
namespace {

using telemetry::Level;

/// Answers that are part of normal life do not fill the log.
enum class Loudness : std::uint8_t { trace, debug, info, warning };

Loudness loudness(const char* operation, int errnum) {
  switch (errnum) {
    case ENOENT: return std::string_view(operation) == "lookup" ? Loudness::trace : Loudness::info;
    case ENODATA:
    case EXDEV:  // the caller copies bytes then
    case EOPNOTSUPP:
    case ERANGE:
    case ENOSYS: return Loudness::trace;
    case EROFS:
    case EEXIST:  // mv(1) tries without overwriting first
    case ENOTEMPTY:
    case EINTR:
    case EAGAIN:
    case ENOTCONN:
    case ENODEV: return Loudness::debug;
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case EIO: return Loudness::warning;
    default: return Loudness::info;
  }
}

std::int64_t microseconds(SteadyClock::duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

}  // namespace

std::vector<std::shared_ptr<Request>> RequestRegistry::all() const {
  std::vector<std::shared_ptr<Request>> requests;
  const std::lock_guard guard(mutex_);
  for (const auto& [id, weak] : in_flight_)
    if (auto request = weak.lock()) requests.push_back(std::move(request));
  return requests;
}

std::vector<RequestRegistry::Summary> RequestRegistry::summaries() const {
  std::vector<Summary> summaries;
  for (const auto& request : all()) summaries.push_back(request->summary());
  std::sort(summaries.begin(), summaries.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return summaries;
}

nlohmann::json RequestRegistry::describe() const {
  auto list = nlohmann::json::array();
  for (const auto& summary : summaries()) {
    list.push_back({{"id", summary.id},
                    {"operation", summary.operation},
                    {"path", telemetry::printable(summary.path, 4096)},
                    {"thread", summary.caller.thread},
                    {"uid", summary.caller.uid},
                    {"milliseconds", microseconds(summary.age) / 1000}});
  }
  return list;
}

std::shared_ptr<Request> RequestRegistry::find(vfs::RequestId id) const {
  const std::lock_guard guard(mutex_);
  const auto found = in_flight_.find(id);
  return found == in_flight_.end() ? nullptr : found->second.lock();
}

void RequestRegistry::refuse_all() {
  refusing_ = true;
  for (const auto& request : all()) request->fail({ENOTCONN, Scope::request, Retry::never, "the mount ends"});
}

void RequestRegistry::wait_until_idle() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return in_flight_.empty(); });
}

void RequestRegistry::add(const std::shared_ptr<Request>& request) {
  const std::lock_guard guard(mutex_);
  in_flight_.emplace(request->caller().request, request);
}

void RequestRegistry::remove(vfs::RequestId id) {
  const std::lock_guard guard(mutex_);
  in_flight_.erase(id);
  if (in_flight_.empty()) idle_.notify_all();
}

std::shared_ptr<Request> Request::start(std::shared_ptr<const Dependencies> dependencies, Description description,
                                        fuse_req* raw) {
  ++telemetry::counters().fuse_requests;
  const std::shared_ptr<Request> request(new Request(std::move(dependencies), std::move(description), raw));
  auto& registry = *request->dependencies_->registry;
  request->description_.caller.request = registry.next_id_++;
  registry.add(request);
  if (request->dependencies_->make_interruptible)
    request->dependencies_->make_interruptible(raw, request->caller().request);
  request->open();
  return request;
}

Request::Request(std::shared_ptr<const Dependencies> dependencies, Description description, fuse_req* raw)
    : dependencies_(std::move(dependencies)), description_(std::move(description)), raw_(raw) {}

void Request::open() {
  state_ = State::open;
  // Whoever came during the start could not answer; whoever comes from here on can.
  if (!description_.begins_in_any_case) heed_interrupts();
  if (dependencies_->registry->refusing()) fail({ENOTCONN, Scope::request, Retry::never, "the mount ends"});
}

void Request::interrupt() {
  interrupted_ = true;
  if (heeds_interrupts_) watch_caller();
}

void Request::heed_interrupts() {
  heeds_interrupts_ = true;
  if (interrupted_) watch_caller();
}

void Request::watch_caller() {
  if (answered() || !dependencies_->being_killed) return;
  if (dependencies_->being_killed(caller().thread)) {
    fail({EINTR, Scope::request, Retry::never, "the caller is being killed"});
    return;
  }
  if (dependencies_->scheduler == nullptr) return;
  dependencies_->scheduler->after(look_again, [weak = weak_from_this()] {
    if (const auto request = weak.lock()) request->watch_caller();
  });
}

Request::~Request() {
  if (!claim(State::failed)) return;
  const Error error{EIO, Scope::request, Retry::never, "nobody answered the request (a defect of imapfs)"};
  ++telemetry::counters().fuse_errors;
  telemetry::error("{} {}: {}", description_.operation, telemetry::printable(path()), error.what);
  finished(dependencies_->reply_error(raw_, error.errnum));
}

RequestRegistry::Summary Request::summary() const {
  return {description_.caller.request, description_.operation, path(), description_.caller,
          SteadyClock::now() - arrived_};
}

std::string Request::path() const {
  auto path = dependencies_->path_of ? dependencies_->path_of(description_.node) : std::string();
  if (description_.name.empty()) return path;
  if (!path.empty() && path.back() != '/') path += '/';
  return path + description_.name;
}

bool Request::claim(State outcome) {
  auto expected = State::open;
  if (!state_.compare_exchange_strong(expected, outcome)) return false;
  if (const auto id = deadline_.exchange(0); id != 0) dependencies_->scheduler->cancel(id);
  return true;
}

void Request::finished(int outcome) {
  if (telemetry::traced(telemetry::Category::fuse))
    telemetry::trace(telemetry::Category::fuse, "{} {} answered after {} us{}", description_.operation,
                     telemetry::printable(path()), microseconds(SteadyClock::now() - arrived_),
                     outcome == 0 ? "" : ", unwanted");
  // Last: the registry's being idle promises that nothing of the session is in use.
  dependencies_->registry->remove(description_.caller.request);
}

bool Request::succeed(const std::function<int(fuse_req*)>& write) {
  if (!claim(State::answered)) return false;
  const int outcome = write(raw_);
  finished(outcome);
  return outcome == 0;
}

bool Request::fail(const Error& error) {
  if (!claim(State::failed)) return false;
  ++telemetry::counters().fuse_errors;
  if (error.errnum == EINTR) ++telemetry::counters().fuse_interrupts;
  log_error(error);
  finished(dependencies_->reply_error(raw_, error.errnum));
  return true;
}

void Request::log_error(const Error& error) const {
  const auto loud = loudness(description_.operation, error.errnum);
  constexpr Level levels[] = {Level::trace, Level::debug, Level::info, Level::warning};
  const auto level = levels[static_cast<std::size_t>(loud)];
  if (!telemetry::enabled(level) && !telemetry::traced(telemetry::Category::fuse)) return;
  const auto line = fmt::format("{} {}: {} ({})", description_.operation, telemetry::printable(path()),
                                std::generic_category().message(error.errnum), telemetry::printable(error.what, 500));
  if (telemetry::enabled(level)) telemetry::write(level, line);
  else telemetry::write_trace(telemetry::Category::fuse, line);
}

void Request::arm_deadline(SteadyClock::duration patience, std::function<std::uint64_t()> progress) {
  end_at(arrived_ + patience, patience, std::move(progress));
}

void Request::end_at(SteadyClock::time_point when, SteadyClock::duration patience,
                     std::function<std::uint64_t()> progress) {
  if (answered() || dependencies_->scheduler == nullptr) return;
  const auto before = progress ? progress() : 0;
  const auto id = dependencies_->scheduler->at(when, [weak = weak_from_this(), patience, progress, before] {
    const auto request = weak.lock();
    if (!request) return;
    if (progress && progress() > before) return request->end_at(SteadyClock::now() + patience, patience, progress);
    const auto seconds = std::chrono::duration_cast<std::chrono::duration<double>>(patience).count();
    request->fail({ETIMEDOUT, Scope::request, Retry::later, fmt::format("no answer within {} s", seconds)});
  });
  deadline_ = id;
  // Answered in between: claim() may have found no deadline to cancel.
  if (answered() && deadline_.exchange(0) != 0) dependencies_->scheduler->cancel(id);
}

}  // namespace imapfs::fuse
