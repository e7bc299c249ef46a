#include "dovecot.hpp"
#include "source_directory.hpp"

#include <sys/stat.h>

#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

namespace imapfs::testing {
namespace {

const std::string sandbox_script = source_directory() + "/contrib/dovecot-sandbox";

std::map<std::string, std::string> read_environment(const std::string& path) {
  std::map<std::string, std::string> values;
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) {
    const auto equals = line.find('=');
    if (equals != std::string::npos) values[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return values;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += " " + shell_quote(word);
  return out;
}

void require(const CommandResult& result, const std::string& what) {
  if (result.status == 0) return;
  throw std::runtime_error(what + " failed with status " + std::to_string(result.status) + "\n" + result.output +
                           result.errors);
}

}  // namespace

Dovecot::Dovecot(const std::vector<std::string>& options) {
  // As root Dovecot's processes run as other users, who must be able to pass through.
  chmod(directory_.path().c_str(), 0755);
  restart(options);
}

Dovecot::~Dovecot() { shell(shell_quote(sandbox_script) + " stop " + shell_quote(directory_.path())); }

void Dovecot::run_sandbox(const std::string& arguments) const {
  require(shell(shell_quote(sandbox_script) + " " + arguments), "dovecot-sandbox " + arguments);
}

void Dovecot::restart(const std::vector<std::string>& options) {
  run_sandbox("start " + shell_quote(directory_.path()) + joined(options));
  const auto environment = read_environment(directory_.path("sandbox.env"));
  imap_port_ = static_cast<std::uint16_t>(std::stoi(environment.at("IMAP_PORT")));
  imaps_port_ = static_cast<std::uint16_t>(std::stoi(environment.at("IMAPS_PORT")));
  ca_file_ = environment.at("CA_FILE");
  password_file_ = environment.at("PASSWORD_FILE");
}

void Dovecot::stop() { run_sandbox("stop " + shell_quote(directory_.path())); }

void Dovecot::kick() {
  // Status 68: nobody was connected at that moment.
  const auto result = shell(shell_quote(sandbox_script) + " doveadm " + shell_quote(directory_.path()) + " kick anna");
  if (result.status != 68) require(result, "doveadm kick");
}

void Dovecot::freeze() { require(shell("pkill -STOP -P $(cat " + directory_.path("run/master.pid") + ")"), "freeze"); }
void Dovecot::thaw() { require(shell("pkill -CONT -P $(cat " + directory_.path("run/master.pid") + ")"), "thaw"); }

void Dovecot::deliver(const std::string& mailbox, const std::string& message) {
  write_file(directory_.path("delivery"), message);
  chmod(directory_.path("delivery").c_str(), 0644);
  doveadm("save -u anna -m " + shell_quote(mailbox) + " " + shell_quote(directory_.path("delivery")));
}

void Dovecot::deliver_many(const std::string& mailbox, int count, const std::string& prefix) {
  std::ostringstream script;
  script << "for number in range(1, " << count << " + 1):\n"
         << "    text = f'From: Sender {number % 7} <sender{number % 7}@example.org>\\r\\nSubject: " << prefix
         << " {number}\\r\\nDate: Fri, 20 Nov 2026 09:30:00 +0000\\r\\nMessage-ID: <{number}." << prefix
         << "@example.org>\\r\\n\\r\\nBody of number {number}.\\r\\n'\n"
         << "    assert imap.append('\"" << mailbox << "\"', None, None, text.encode())[0] == 'OK'\n";
  other_client(script.str());
}

std::string Dovecot::doveadm(const std::string& arguments) const {
  const auto result = shell(shell_quote(sandbox_script) + " doveadm " + shell_quote(directory_.path()) + " " +
                            arguments);
  require(result, "doveadm " + arguments);
  return result.output;
}

std::string Dovecot::other_client(const std::string& script) const {
  const std::string file = directory_.path("client.py");
  std::ostringstream program;
  program << "import imaplib, sys\n"
          << "imaplib._MAXLINE = 10_000_000\n"
          << "imap = imaplib.IMAP4('127.0.0.1', " << imap_port_ << ")\n"
          << "import ssl\n"
          << "if 'STARTTLS' in imap.capabilities:\n"
          << "    context = ssl.create_default_context(cafile='" << ca_file_ << "'); context.check_hostname = False\n"
          << "    imap.starttls(context)\n"
          << "imap.login('anna', open('" << password_file_ << "').read().strip())\n"
          << script << "\nimap.logout()\n";
  write_file(file, program.str());
  const auto result = shell("python3 " + shell_quote(file), 300);
  require(result, "python3: " + script);
  return result.output;
}

std::string Dovecot::url() const { return "imaps://anna@localhost:" + std::to_string(imaps_port_); }
std::string Dovecot::starttls_url() const { return "imap://anna@localhost:" + std::to_string(imap_port_); }

std::string Dovecot::password() const {
  std::string text = read_file(password_file_);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

imap::AccountSettings Dovecot::account_settings() const {
  imap::AccountSettings settings;
  settings.endpoint = {"localhost", imaps_port_};
  settings.implicit_tls = true;
  settings.tls.ca_file = ca_file_;
  settings.user = "anna";
  settings.password = [password = password()](const CallContext&) -> Result<std::string> { return password; };
  return settings;
}

std::string sample_message(const std::string& subject, const std::string& from, const std::string& text) {
  return "From: " + from + "\r\nTo: anna@example.org\r\nSubject: " + subject +
         "\r\nDate: Fri, 20 Nov 2026 09:30:00 +0000\r\nMessage-ID: <" +
         std::to_string(std::hash<std::string>{}(subject)) + "@example.org>\r\n\r\n" + text;
}

}  // namespace imapfs::testing
