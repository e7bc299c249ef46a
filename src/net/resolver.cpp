#include "net/resolver.hpp"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/exception_barrier.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::net {
namespace {

constexpr std::size_t max_addresses = 14;
constexpr std::size_t max_helpers = 8;

struct Answer {
  std::mutex mutex;
  std::condition_variable_any arrived;
  std::optional<Result<std::vector<Address>>> value;
  bool ended = false;  ///< the helper accesses nothing any more
};

struct Helper {
  std::shared_ptr<Answer> answer;
  std::jthread thread;
};

/// Never destroyed: a helper that is stuck in getaddrinfo must not delay the end of the process. It uses only its
/// Answer.
Guarded<std::list<Helper>>& helpers() {
  static auto* const list = new Guarded<std::list<Helper>>;
  return *list;
}

void join_ended_helpers() {
  std::list<Helper> ended;
  helpers().with_lock([&](auto& list) {
    for (auto helper = list.begin(); helper != list.end();) {
      const auto next = std::next(helper);
      const std::lock_guard guard(helper->answer->mutex);
      if (helper->answer->ended) ended.splice(ended.end(), list, helper);
      helper = next;
    }
  });
}

Result<std::vector<Address>> look_up_contained(const Endpoint& endpoint, const Lookup& lookup) {
  Result<std::vector<Address>> found;
  auto ran = run_contained("resolve", [&] { found = lookup(endpoint, 0); });
  if (!ran) return fail(std::move(ran).error());
  return found;
}

bool start_helper(const std::shared_ptr<Answer>& answer, const Endpoint& endpoint, const Lookup& lookup) {
  join_ended_helpers();
  return helpers().with_lock([&](auto& list) {
    if (list.size() >= max_helpers) return false;
    list.push_back({answer, std::jthread([answer, endpoint, lookup] {
                      name_this_thread("resolve");
                      auto found = look_up_contained(endpoint, lookup);
                      const std::lock_guard guard(answer->mutex);
                      answer->value = std::move(found);
                      answer->ended = true;
                      answer->arrived.notify_all();
                    })});
    return true;
  });
}

std::string reason_of(int code, const std::string& host) {
  const auto name = telemetry::printable(host);
  if (code == EAI_NONAME || code == EAI_NODATA) return fmt::format("host name {} is unknown", name);
  if (code == EAI_AGAIN) return fmt::format("host name {} cannot be looked up now: no answer from DNS", name);
  return fmt::format("host name {} cannot be looked up: {}", name, ::gai_strerror(code));
}

/// Alternates address families, so that one broken protocol does not delay the other (RFC 8305 §4).
std::vector<Address> alternate_families(const std::vector<Address>& sorted) {
  std::vector<Address> first, second, mixed;
  for (const auto& address : sorted)
    (address.storage.ss_family == sorted.front().storage.ss_family ? first : second).push_back(address);
  for (std::size_t index = 0; index < std::max(first.size(), second.size()); ++index) {
    if (index < first.size()) mixed.push_back(first[index]);
    if (index < second.size()) mixed.push_back(second[index]);
  }
  if (mixed.size() > max_addresses) mixed.resize(max_addresses);
  return mixed;
}

}  // namespace

const sockaddr* Address::get() const { return reinterpret_cast<const sockaddr*>(&storage); }

std::string Address::to_string() const {
  char text[NI_MAXHOST];
  if (::getnameinfo(get(), length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) return "unknown address";
  return text;
}

Result<std::vector<Address>> look_up(const Endpoint& endpoint, int getaddrinfo_flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | getaddrinfo_flags;
  addrinfo* raw = nullptr;
  const int code = ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &raw);
  if (code != 0) return fail(EHOSTUNREACH, Scope::session, Retry::later, "{}", reason_of(code, endpoint.host));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> found(raw, &::freeaddrinfo);
  std::vector<Address> addresses;
  for (const auto* entry = found.get(); entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_addrlen > sizeof(sockaddr_storage)) continue;
    Address address;
    std::copy_n(reinterpret_cast<const char*>(entry->ai_addr), entry->ai_addrlen,
                reinterpret_cast<char*>(&address.storage));
    address.length = entry->ai_addrlen;
    addresses.push_back(address);
  }
  if (addresses.empty())
    return fail(EHOSTUNREACH, Scope::session, Retry::later, "{}", reason_of(EAI_NONAME, endpoint.host));
  return alternate_families(addresses);
}

Result<std::vector<Address>> resolve(const Endpoint& endpoint, const CallContext& context, const Lookup& lookup) {
  if (endpoint.host.empty() || endpoint.host.find('\0') != std::string::npos)
    return fail(EHOSTUNREACH, Scope::account, Retry::never, "the host name is empty or malformed");
  if (auto numeric = look_up(endpoint, AI_NUMERICHOST)) return numeric;  // an address never needs the network

  const auto answer = std::make_shared<Answer>();
  if (!start_helper(answer, endpoint, lookup))
    return fail(EHOSTUNREACH, Scope::session, Retry::later, "earlier host name lookups have not been answered yet");
  std::unique_lock lock(answer->mutex);
  const auto arrived = [&] { return answer->value.has_value(); };
  if (context.deadline == Deadline::max()) answer->arrived.wait(lock, context.stop, arrived);
  else answer->arrived.wait_until(lock, context.stop, context.deadline, arrived);
  if (context.cancelled()) return fail(EINTR, Scope::session, Retry::never, "cancelled");
  if (!arrived())
    return fail(ETIMEDOUT, Scope::session, Retry::later, "host name {} was not found in time: no answer from DNS",
                telemetry::printable(endpoint.host));
  auto found = std::move(*answer->value);
  lock.unlock();
  join_ended_helpers();
  return found;
}

}  // namespace imapfs::net
