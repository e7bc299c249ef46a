#include "imap/login/login.hpp"

#include <algorithm>
#include <utility>

#include "imap/commands/imap_session.hpp"
#include "imap/login/authentication.hpp"
#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"
#include "imapfs/net/tls_stream.hpp"

namespace imapfs::imap {
namespace {

constexpr std::size_t max_greeting = 1000;

/// The connection ended, or what came over it made no sense; not that its time was up, or that the server does not want
/// us.
bool is_broken(const Error& error) {
  return error.scope == Scope::session && error.retry != Retry::later && error.errnum != EINTR &&
         error.errnum != ETIMEDOUT;
}

/// The steps of a login, in order; each leaves the connection ready for the next.
class LoginDialogue {
 public:
  LoginDialogue(std::unique_ptr<net::ByteStream> stream, const AccountSettings& settings, LoginTrial& trial,
                const CallContext& context)
      : connection_(std::make_unique<Connection>(std::move(stream), settings.max_line)), settings_(settings),
        trial_(trial), context_(context) {}

  Result<std::unique_ptr<Session>> run() {
    IMAPFS_TRY(read_greeting());
    IMAPFS_TRY(connection_->link.connect(preauthenticated_));
    IMAPFS_TRY(know_capabilities());
    if (!settings_.implicit_tls) IMAPFS_TRY(secure());
    if (!preauthenticated_) {
      IMAPFS_TRY(authenticate(*connection_, traits().capabilities, settings_, trial_, context_));
      // RFC 9051 §6.2: what was announced before the login says nothing about what holds after it.
      capabilities_ = Capabilities();
      IMAPFS_TRY(know_capabilities());
    }
    IMAPFS_TRY(identify());
    auto known = traits();
    ConnectionCompression compression(*connection_, settings_.compression, settings_.learned,
                                      known.has("COMPRESS=DEFLATE"));
    IMAPFS_TRY(compression.begin_if_due(context_));
    const bool utf8 = IMAPFS_TRY(enable(known));
    connection_->runner.set_literal_plus(known.has("LITERAL+"));
    settings_.learned->add(trial_.found);
    const auto description = fmt::format("{} {}:{}", settings_.implicit_tls ? "imaps" : "imap", settings_.endpoint.host,
                                         settings_.endpoint.port);
    ImapSession::Login login{std::move(known), description, utf8, settings_.learned};
    return std::unique_ptr<Session>(
        std::make_unique<ImapSession>(std::move(connection_), std::move(compression), std::move(login)));
  }

 private:
  Result<void> read_greeting();
  Result<void> know_capabilities();
  Result<void> secure();
  Result<void> start_tls();
  Result<void> identify();
  /// Whether UTF8=ACCEPT is enabled.
  Result<bool> enable(ServerTraits& known);
  /// What is known of the server by now.
  [[nodiscard]] ServerTraits traits() const;

  std::unique_ptr<Connection> connection_;
  const AccountSettings& settings_;
  LoginTrial& trial_;
  const CallContext& context_;
  std::string greeting_;
  Capabilities capabilities_;
  IdFields id_;
  bool preauthenticated_ = false;
};

/// libetpan crashes on hostile greetings: this one is read here, and libetpan gets a harmless one.
Result<void> LoginDialogue::read_greeting() {
  auto& channel = connection_->channel;
  channel.begin(std::string(), context_);
  while (true) {
    const auto response = IMAPFS_TRY(channel.next_response());
    const auto& name = response.name;
    if (response.kind != Response::Kind::untagged || (name != "OK" && name != "PREAUTH" && name != "BYE")) {
      return fail(channel.broken_by(Error{EIO, Scope::session, Retry::later, "the server's greeting is not IMAP"}));
    }
    greeting_ = telemetry::printable(channel.reader().rest(), max_greeting);
    if (name == "BYE") {
      const auto answer = parse_status_text(Answer::Kind::bye, channel.reader().rest());
      return fail(channel.broken_by(error_from_answer("greeting", answer)));
    }
    preauthenticated_ = name == "PREAUTH";
    return channel.take_untagged(response, nullptr);
  }
}

Result<void> LoginDialogue::know_capabilities() {
  auto& channel = connection_->channel;
  auto announced = channel.unsolicited().take_capabilities();
  if (!announced || announced->empty()) {
    mailimap_capability_data* data = nullptr;
    const EtpanLink::Command command{"CAPABILITY", {"CAPABILITY"}, false};
    auto outcome = connection_->link.call(command, context_,
                                          [&](mailimap* imap) { return mailimap_capability(imap, &data); });
    if (data != nullptr) mailimap_capability_data_free(data);
    if (!outcome) return fail(std::move(outcome).error());
    announced = channel.unsolicited().take_capabilities();
  }
  capabilities_ = Capabilities(announced.value_or(std::set<std::string>{}));
  return {};
}

Result<void> LoginDialogue::secure() {
  if (preauthenticated_ && !settings_.allow_plain) {
    // RFC 9051 §11.3: a PREAUTH greeting makes STARTTLS impossible; it may come from an attacker in between.
    return fail(EACCES, Scope::account, Retry::never,
                "{} greets as already logged in (PREAUTH) on an unencrypted connection: refused; use imaps://",
                settings_.endpoint.host);
  }
  if (capabilities_.has("STARTTLS") && !preauthenticated_) return start_tls();
  if (settings_.allow_plain) return {};
  return fail(EACCES, Scope::account, Retry::never,
              "{} offers no STARTTLS on port {}, so the connection cannot be encrypted; use imaps:// instead",
              settings_.endpoint.host, settings_.endpoint.port);
}

Result<void> LoginDialogue::start_tls() {
  auto& reader = connection_->channel.reader();
  const auto refuse = [&] {
    return fail(connection_->channel.broken_by(
        Error{EACCES, Scope::account, Retry::never,
              fmt::format("{} sent data before TLS that it must not send: refused, somebody may be tampering with the "
                          "connection",
                          settings_.endpoint.host)}));
  };
  if (reader.has_buffered()) return refuse();
  const EtpanLink::Command command{"STARTTLS", {}, false};
  IMAPFS_TRY(connection_->link.call(command, context_, mailimap_starttls));
  if (reader.has_buffered()) return refuse();
  // Whatever was said before anybody was proved to be the server is forgotten: the greeting, capabilities, ENABLED,
  // BYE, tags.
  auto plain = connection_->channel.transport().take_stream();
  auto secured = IMAPFS_TRY(net::start_tls(std::move(plain), settings_.endpoint.host, settings_.tls, context_));
  connection_ = std::make_unique<Connection>(std::move(secured), settings_.max_line);
  greeting_.clear();
  capabilities_ = Capabilities();
  IMAPFS_TRY(connection_->link.connect(false));
  return know_capabilities();
}

ServerTraits LoginDialogue::traits() const {
  auto overrides = settings_.quirks;
  overrides.add.merge(settings_.learned->all());
  overrides.add.insert(trial_.found.begin(), trial_.found.end());
  return make_traits(greeting_, capabilities_, id_, overrides);
}

/// Some servers refuse SELECT to clients that did not introduce themselves, so ID is always sent where it is known, and
/// to those servers even if they do not announce it.
Result<void> LoginDialogue::identify() {
  const auto so_far = traits();
  if (!so_far.has("ID") && !so_far.has(Quirk::id_before_select)) return {};
  id_ = IMAPFS_TRY(exchange_id(*connection_, context_));
  return {};
}

Result<bool> LoginDialogue::enable(ServerTraits& known) {
  if (!known.has("ENABLE")) {
    known.capabilities.remove("QRESYNC");
    return false;
  }
  std::vector<std::string> wanted;
  if (known.has("QRESYNC")) {
    wanted.emplace_back("QRESYNC");  // RFC 7162 §3.2.3: CONDSTORE is implied
  } else if (known.has("CONDSTORE")) {
    wanted.emplace_back("CONDSTORE");
  }
  // Names can be said without it, so it is for servers that keep mail back from clients that have not enabled it.
  const bool utf8_is_needed = known.has("UTF8=ONLY") ||
                              (known.has("UTF8=ACCEPT") && known.has(Quirk::needs_utf8_accept));
  if (utf8_is_needed) wanted.emplace_back("UTF8=ACCEPT");
  if (wanted.empty()) return false;
  auto enabled = enable_capabilities(*connection_, wanted, context_);
  if (!enabled && enabled.error().lost_connection()) return fail(std::move(enabled).error());
  // RFC 7162 §3.2.5: QRESYNC in SELECT is only allowed once ENABLED said so.
  if (!enabled || !enabled->contains("QRESYNC")) known.capabilities.remove("QRESYNC");
  return enabled && enabled->contains("UTF8=ACCEPT");
}

}  // namespace

Result<std::unique_ptr<Session>> login_session(std::unique_ptr<net::ByteStream> stream, const AccountSettings& settings,
                                               const CallContext& context) {
  LoginTrial trial;
  return LoginDialogue(std::move(stream), settings, trial, context).run();
}

Result<std::unique_ptr<Session>> login_session(const Connector& connect, const AccountSettings& settings,
                                               const CallContext& context) {
  LoginTrial trial;
  const auto found = [&] { return trial.found.size() + settings.learned->all().size(); };
  while (true) {
    const auto known = found();
    auto stream = IMAPFS_TRY(connect(context));
    auto session = LoginDialogue(std::move(stream), settings, trial, context).run();
    const bool without_more = !session && is_broken(session.error()) && found() > known;
    if (!without_more) return session;
    telemetry::info("imap: connecting again: {}", telemetry::printable(session.error().what));
  }
}

Result<std::unique_ptr<Session>> open_session(const AccountSettings& settings, const CallContext& context) {
  const auto where = fmt::format("{}@{}:{}", settings.user, settings.endpoint.host, settings.endpoint.port);
  auto& counters = telemetry::counters();
  counters.connects.fetch_add(1, std::memory_order_relaxed);
  const auto connect = [&settings](const CallContext& patience) -> Result<std::unique_ptr<net::ByteStream>> {
    auto stream = IMAPFS_TRY(net::connect_tcp(settings.endpoint, patience));
    if (!settings.implicit_tls) return stream;
    return net::start_tls(std::move(stream), settings.endpoint.host, settings.tls, patience);
  };
  auto session = login_session(Connector(connect), settings, context);
  if (session) return session;
  counters.connect_failures.fetch_add(1, std::memory_order_relaxed);
  auto error = std::move(session).error();
  if (!error.lost_connection()) error.scope = Scope::session;
  if (error.what.find(settings.endpoint.host) != std::string::npos) return fail(std::move(error));
  return fail(std::move(error).while_doing(where));
}

}  // namespace imapfs::imap
