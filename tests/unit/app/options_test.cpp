#include "app/options.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

namespace imapfs::app {
namespace {

using Arguments = std::vector<std::string>;

/// The options of a good mount command with these in front.
Options parsed(Arguments arguments, const std::string& url = "imaps://anna@mail.example.org") {
  arguments.insert(arguments.end(), {url, "/mnt"});
  auto options = parse_options(arguments);
  EXPECT_TRUE(options) << options.error().what;
  return options ? *options : Options{};
}

std::string refusal(const Arguments& arguments) {
  auto options = parse_options(arguments);
  if (options) return "(accepted)";
  EXPECT_EQ(options.error().errnum, EINVAL);
  return options.error().what;
}

std::string refused_option(const std::string& option) {
  return refusal({option, "imaps://anna@mail.example.org", "/mnt"});
}

TEST(Options, ThePlainCommandHasTheDocumentedDefaults) {
  const Options options = parsed({});
  EXPECT_EQ(options.action, Action::mount);
  EXPECT_EQ(options.user, "anna");
  EXPECT_EQ(options.endpoint.host, "mail.example.org");
  EXPECT_EQ(options.endpoint.port, 993);
  EXPECT_TRUE(options.implicit_tls);
  EXPECT_FALSE(options.insecure);
  EXPECT_EQ(options.mountpoint, "/mnt");
  EXPECT_EQ(options.names.text(), mime::NameTemplate::default_text);
  EXPECT_EQ(options.timeout.count(), 30);
  EXPECT_EQ(options.refresh.count(), 60);
  EXPECT_EQ(options.idle.count(), 540);
  EXPECT_EQ(options.poll.count(), 60);
  EXPECT_EQ(options.connections, 4u);
  EXPECT_EQ(options.cache_size, 1ULL << 30);
  EXPECT_TRUE(options.cache);
  EXPECT_TRUE(options.watch);
  EXPECT_FALSE(options.read_only);
  EXPECT_FALSE(options.list_xattrs);
  EXPECT_EQ(options.removal, sync::RemovalPolicy::automatic);
  EXPECT_TRUE(options.write_behind);
  EXPECT_EQ(options.append_flags, FlagSet());
  EXPECT_EQ(options.staging_size, 2ULL << 30);
  EXPECT_EQ(options.uid, ::getuid());
  EXPECT_EQ(options.gid, ::getgid());
  EXPECT_EQ(options.fsname, "imapfs#anna@mail.example.org");
  EXPECT_EQ(options.account(), "anna@mail.example.org");
  EXPECT_EQ(options.url(), "imaps://anna@mail.example.org:993");
  EXPECT_TRUE(options.warnings.empty());
}

struct UrlCase {
  const char* url;
  const char* user;
  const char* host;
  int port;
  bool implicit_tls;
  const char* account;
};

TEST(Options, AddressesAreTakenApart) {
  for (const UrlCase& expected : std::initializer_list<UrlCase>{
           {"imaps://anna@mail.example.org", "anna", "mail.example.org", 993, true, "anna@mail.example.org"},
           {"imaps://anna@mail.example.org/", "anna", "mail.example.org", 993, true, "anna@mail.example.org"},
           {"imap://anna@mail.example.org", "anna", "mail.example.org", 143, false, "anna@mail.example.org"},
           {"IMAPS://anna@Mail.Example.ORG:1993", "anna", "mail.example.org", 1993, true, "anna@mail.example.org:1993"},
           {"imap://anna@h:993", "anna", "h", 993, false, "anna@h:993"},
           {"imaps://anna@example.org@mail.example.org", "anna@example.org", "mail.example.org", 993, true,
            "anna@example.org@mail.example.org"},
           {"imaps://anna%40example.org@h", "anna@example.org", "h", 993, true, "anna@example.org@h"},
           {"imaps://a%3Ab%2fc%25@h", "a:b/c%", "h", 993, true, "a:b/c%@h"},
           {"imaps://b%C3%BC@h", "b\xc3\xbc", "h", 993, true, "b\xc3\xbc@h"},
           {"imaps://anna@[2001:DB8::1]", "anna", "2001:db8::1", 993, true, "anna@[2001:db8::1]"},
           {"imaps://anna@[::1]:10993", "anna", "::1", 10993, true, "anna@[::1]:10993"},
           {"imaps://anna@[fe80::1%25eth0]", "anna", "fe80::1%eth0", 993, true, "anna@[fe80::1%eth0]"},
           {"imaps://anna@192.0.2.7:65535", "anna", "192.0.2.7", 65535, true, "anna@192.0.2.7:65535"},
       }) {
    SCOPED_TRACE(expected.url);
    const Options options = parsed({}, expected.url);
    EXPECT_EQ(options.user, expected.user);
    EXPECT_EQ(options.endpoint.host, expected.host);
    EXPECT_EQ(options.endpoint.port, expected.port);
    EXPECT_EQ(options.implicit_tls, expected.implicit_tls);
    EXPECT_EQ(options.account(), expected.account);
  }
}

TEST(Options, BadAddressesAreRefusedWithASentence) {
  const std::pair<std::string, const char*> cases[] = {
      {"mail.example.org", "must begin with imaps://"},
      {"http://h", "must begin with imaps://"},
      {"://h", "must begin with imaps://"},
      {"", "must begin with imaps://"},
      {"imaps://", "names no host"},
      {"imaps://anna@", "names no host"},
      {"imaps://@h", "user name in the address is empty"},
      {"imaps://anna@h:0", "port"},
      {"imaps://anna@h:65536", "port"},
      {"imaps://anna@h:x", "port"},
      {"imaps://anna@h:", "port"},
      {"imaps://anna@2001:db8::1", "in brackets"},
      {"imaps://anna@[2001:db8::1", "lacks its ']'"},
      {"imaps://anna@[2001:db8::zz]", "not an IPv6 address"},
      {"imaps://anna@[::1]x", "after the IPv6 address"},
      {"imaps://anna@h/INBOX", "whole account"},
      {"imaps://anna@h?x", "whole account"},
      {"imaps://anna@ho st", "not a host name"},
      {"imaps://anna@ho\x1b[31mst", "not a host name"},
      {"imaps://anna@-host", "not a host name"},
      {"imaps://an%0ana@h", "control character"},
      {"imaps://an%na@h", "'%'"},
      {"imaps://anna%4@h", "'%'"},
      {"imaps://anna;AUTH=PLAIN@h", "AUTH"},
      {"imaps://anna@" + std::string(5000, 'h'), "too long"},
      {"imaps://anna@" + std::string(300, 'h'), "not a host name"},
  };
  for (const auto& [url, reason] : cases) {
    EXPECT_NE(refusal({url, "/mnt"}).find(reason), std::string::npos) << url << ": " << refusal({url, "/mnt"});
    EXPECT_EQ(refusal({url, "/mnt"}).find('\x1b'), std::string::npos);
  }
}

TEST(Options, APasswordInTheAddressIsRefusedAndNotRepeated) {
  for (const char* url : {"imaps://anna:s3cret@h", "imaps://anna:s3cret@mail.example.org:993",
                          "imaps://anna@x:s3cret@h", "imaps://h:s3cret"}) {
    const std::string reason = refusal({url, "/mnt"});
    EXPECT_NE(reason, "(accepted)");
    EXPECT_EQ(reason.find("s3cret"), std::string::npos) << reason;
  }
  EXPECT_NE(refusal({"imaps://anna:s3cret@h", "/mnt"}).find("password-file"), std::string::npos);
}

struct ValueCase {
  const char* option;
  std::function<bool(const Options&)> holds;
};

const std::vector<ValueCase>& value_cases() {
  using telemetry::Category;
  const auto traces = [](const Options& options, Category category) {
    return options.traced[static_cast<std::size_t>(category)];
  };
  static const std::vector<ValueCase> cases = {
      {"user=bert", [](const Options& o) { return o.user == "bert"; }},
      {"ca-file=/etc/ca.pem", [](const Options& o) { return o.tls.ca_file == "/etc/ca.pem"; }},
      {"fingerprint=00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF",
       [](const Options& o) { return o.tls.fingerprint.size() == 64; }},
      {"client-cert=/c.pem", [](const Options& o) { return o.tls.client_certificate == "/c.pem"; }},
      {"insecure=yes-really", [](const Options& o) { return o.insecure || o.implicit_tls; }},
      {"quirks=+no-qresync,-no-idle",
       [](const Options& o) {
         return o.quirks.add.contains(imap::Quirk::no_qresync) && o.quirks.remove.contains(imap::Quirk::no_idle);
       }},
      {"check", [](const Options& o) { return o.action == Action::check; }},
      {"password-file=/p", [](const Options& o) { return o.password_file == "/p"; }},
      {"password-file=-", [](const Options& o) { return o.password_file == "-"; }},
      {"password-command=pass show 'mail, home'",
       [](const Options& o) { return o.password_command == "pass show 'mail, home'"; }},
      {"netrc=/n", [](const Options& o) { return o.netrc == "/n"; }},
      {"foreground", [](const Options& o) { return o.foreground && !o.debug; }},
      {"debug",
       [=](const Options& o) {
         return o.debug && o.foreground && o.log_level == telemetry::Level::debug && traces(o, Category::store);
       }},
      {"ro", [](const Options& o) { return o.read_only; }},
      {"rw", [](const Options& o) { return !o.read_only; }},
      {"name={uid}.eml", [](const Options& o) { return o.names.text() == "{uid}.eml"; }},
      {"uid=1000", [](const Options& o) { return o.uid == 1000; }},
      {"gid=0", [](const Options& o) { return o.gid == 0; }},
      {"umask=027", [](const Options& o) { return o.umask == 027; }},
      {"allow_other", [](const Options& o) { return o.allow_other; }},
      {"nonempty", [](const Options& o) { return o.nonempty; }},
      {"auto_unmount", [](const Options& o) { return o.auto_unmount; }},
      {"list-xattrs", [](const Options& o) { return o.list_xattrs; }},
      {"fsname=mail", [](const Options& o) { return o.fsname == "mail"; }},
      {"compress=auto", [](const Options& o) { return o.compress == imap::CompressionMode::automatic; }},
      {"compress=yes", [](const Options& o) { return o.compress == imap::CompressionMode::yes; }},
      {"compress=no", [](const Options& o) { return o.compress == imap::CompressionMode::no; }},
      {"on-delete=auto", [](const Options& o) { return o.removal == sync::RemovalPolicy::automatic; }},
      {"on-delete=flag", [](const Options& o) { return o.removal == sync::RemovalPolicy::flag; }},
      {"on-delete=trash", [](const Options& o) { return o.removal == sync::RemovalPolicy::trash; }},
      {"on-delete=expunge", [](const Options& o) { return o.removal == sync::RemovalPolicy::expunge; }},
      {"sync", [](const Options& o) { return !o.write_behind; }},
      {"async", [](const Options& o) { return o.write_behind; }},
      {"append-flags=\\Seen", [](const Options& o) { return o.append_flags.to_string() == "\\Seen"; }},
      {"state-dir=/var/lib/x/", [](const Options& o) { return o.state_dir == "/var/lib/x"; }},
      {"staging-size=512M", [](const Options& o) { return o.staging_size == 512ULL << 20; }},
      {"timeout=5", [](const Options& o) { return o.timeout.count() == 5; }},
      {"refresh=0", [](const Options& o) { return o.refresh.count() == 0; }},
      {"connections=1", [](const Options& o) { return o.connections == 1; }},
      {"watch", [](const Options& o) { return o.watch; }},
      {"no-watch", [](const Options& o) { return !o.watch; }},
      {"idle=9m", [](const Options& o) { return o.idle.count() == 540; }},
      {"idle=120s", [](const Options& o) { return o.idle.count() == 120; }},
      {"poll=1h", [](const Options& o) { return o.poll.count() == 3600; }},
      {"cache-dir=/var/cache/x/", [](const Options& o) { return o.cache_dir == "/var/cache/x"; }},
      {"cache-size=512M", [](const Options& o) { return o.cache_size == 512ULL << 20; }},
      {"cache-size=2g", [](const Options& o) { return o.cache_size == 2ULL << 30; }},
      {"cache-size=1TiB", [](const Options& o) { return o.cache_size == 1ULL << 40; }},
      {"cache-size=2048K", [](const Options& o) { return o.cache_size == 2ULL << 20; }},
      {"cache-size=1048576", [](const Options& o) { return o.cache_size == 1ULL << 20; }},
      {"no-cache", [](const Options& o) { return !o.cache; }},
      {"log-level=warning", [](const Options& o) { return o.log_level == telemetry::Level::warning; }},
      {"log=journal", [](const Options& o) { return o.log_target == LogTarget::journal; }},
      {"log=stderr", [](const Options& o) { return o.log_target == LogTarget::standard_error; }},
      {"log=auto", [](const Options& o) { return o.log_target == LogTarget::automatic; }},
      {"log-file=/l", [](const Options& o) { return o.log_file == "/l" && o.log_target == LogTarget::file; }},
      {"trace=fuse,sync",
       [=](const Options& o) {
         return traces(o, Category::fuse) && traces(o, Category::sync) && !traces(o, Category::imap);
       }},
      {"nosuid", [](const Options& o) { return o.kernel_options == std::vector<std::string>{"nosuid"}; }},
  };
  return cases;
}

std::string escaped(const std::string& item) {
  std::string text;
  for (const char character : item)
    text += character == ',' || character == '\\' ? std::string("\\") + character : std::string(1, character);
  return text;
}

TEST(Options, EveryOptionLandsInItsFieldAsALongOptionAndWithDashO) {
  for (const auto& [option, holds] : value_cases()) {
    SCOPED_TRACE(option);
    const bool check = std::string(option) == "check";
    for (Arguments arguments :
         {Arguments{std::string("--") + option}, Arguments{"-o", escaped(option)}, Arguments{"-o" + escaped(option)},
          Arguments{"-o", "rw," + escaped(option) + ",nofail"}}) {
      arguments.emplace_back("imaps://mail.example.org");
      if (!check) arguments.emplace_back("/mnt");
      auto options = parse_options(arguments);
      ASSERT_TRUE(options) << options.error().what;
      EXPECT_TRUE(holds(*options)) << arguments[0];
    }
    Arguments behind = {"imaps://mail.example.org"};
    if (!check) behind.emplace_back("/mnt");
    behind.insert(behind.end(), {"-o", escaped(option)});
    auto options = parse_options(behind);
    ASSERT_TRUE(options) << options.error().what;
    EXPECT_TRUE(holds(*options));
  }
}

TEST(Options, EveryOptionOfTheTableIsTriedOrAcceptedForOthers) {
  std::set<std::string> tried = {"help", "version", "log", "client-key"};
  for (const auto& value : value_cases())
    tried.insert(std::string(value.option).substr(0, std::string(value.option).find('=')));
  for (const auto& description : option_table()) {
    if (description.group == OptionDescription::Group::compatibility) continue;
    EXPECT_TRUE(tried.contains(std::string(description.name))) << description.name;
  }
}

TEST(Options, BadValuesAreRefusedWithOptionAndValue) {
  for (const char* option : {"timeout=abc",
                             "timeout=0",
                             "timeout=-1",
                             "timeout=3601",
                             "timeout=99999999999999999999",
                             "timeout=5x",
                             "timeout=",
                             "refresh=1d",
                             "idle=29",
                             "idle=30m",
                             "poll=0",
                             "connections=0",
                             "connections=33",
                             "connections=two",
                             "cache-size=1X",
                             "cache-size=0",
                             "cache-size=12",
                             "cache-size=1GG",
                             "cache-size=99999999999T",
                             "staging-size=1023K",
                             "staging-size=much",
                             "compress=",
                             "compress=perhaps",
                             "on-delete=",
                             "on-delete=archive",
                             "append-flags=\\Recent",
                             "umask=8",
                             "umask=1777",
                             "umask=rw",
                             "uid=anna",
                             "uid=-1",
                             "uid=4294967295",
                             "gid=x",
                             "name=plain.eml",
                             "name={uid}{what}.eml",
                             "quirks=+no-such-thing",
                             "log-level=loud",
                             "log=syslog",
                             "trace=everything",
                             "fingerprint=12",
                             "fsname=a b"}) {
    const std::string name = std::string(option).substr(0, std::string(option).find('='));
    for (const auto& reason :
         {refused_option(std::string("--") + option), refused_option(std::string("-o") + option)}) {
      EXPECT_NE(reason.find("'" + name + "'"), std::string::npos) << option << ": " << reason;
      EXPECT_NE(reason.find('"'), std::string::npos) << option << ": " << reason;
    }
  }
  EXPECT_EQ(refused_option("--timeout=abc"), "option 'timeout': \"abc\" is not a number of seconds");
}

TEST(Options, ASwitchTakesNoValueAndAnOptionNeedsOne) {
  EXPECT_EQ(refused_option("-oro=1"), "option 'ro' takes no value");
  EXPECT_EQ(refused_option("--ro=1"), "option 'ro' takes no value");
  EXPECT_NE(refused_option("-otimeout").find("option 'timeout' needs a value"), std::string::npos);
  EXPECT_EQ(refusal({"imaps://a@h", "/mnt", "--timeout"}), "option 'timeout' needs a value");
  EXPECT_NE(refusal({"imaps://a@h", "/mnt", "-o"}).find("'-o' needs a value"), std::string::npos);
}

TEST(Options, UnknownOptionsAreRefusedByNameWithTheNearestKnownOne) {
  EXPECT_EQ(refused_option("--timeot=5"), "unknown option 'timeot': did you mean 'timeout'?");
  EXPECT_EQ(refused_option("-otimeot=5"), "unknown option 'timeot': did you mean 'timeout'?");
  EXPECT_EQ(refused_option("--cache_size=1G"), "unknown option 'cache_size': did you mean 'cache-size'?");
  EXPECT_EQ(refused_option("-oallow-other"), "unknown option 'allow-other': did you mean 'allow_other'?");
  EXPECT_NE(refused_option("--flux-capacitor").find("unknown option 'flux-capacitor' (imapfs --help"),
            std::string::npos);
  EXPECT_NE(refused_option("-z").find("unknown option 'z'"), std::string::npos);
  EXPECT_NE(refused_option("-oxyz").find("unknown option 'xyz'"), std::string::npos);
  EXPECT_EQ(refused_option("-o\x1b[31m").find('\x1b'), std::string::npos);
}

TEST(Options, WhatMountFstabAndSystemdPassIsAccepted) {
  const Options options = parsed(
      {"-o",
       "rw,_netdev,nofail,noauto,auto,user,nouser,users,defaults,x-systemd.automount,x-systemd.idle-timeout=60,"
       "comment=hello,subtype=imapfs,relatime,default_permissions"});
  EXPECT_EQ(options.user, "anna");
  EXPECT_TRUE(options.kernel_options.empty());
  const Options kernel = parsed({"-o", "nosuid,nodev,noexec,noatime,dirsync"});
  EXPECT_EQ(kernel.kernel_options, (std::vector<std::string>{"nosuid", "nodev", "noexec", "noatime", "dirsync"}));
}

TEST(Options, SyncIsOurOwnAndNotTheKernels) {
  const Options options = parsed({"-o", "rw,sync"});
  EXPECT_FALSE(options.write_behind);
  EXPECT_TRUE(options.kernel_options.empty());
  EXPECT_TRUE(parsed({"-o", "sync,async"}).write_behind);
}

TEST(Options, FlagsOfNewMessagesMayBeSeparatedForAShellOrForFstab) {
  const FlagSet flags = FlagSet::parse("\\Seen \\Flagged $Label");
  for (const char* text : {"append-flags=\\Seen+\\Flagged+$Label", "append-flags=\\seen \\FLAGGED $Label",
                           "append-flags= $Label ++\\Flagged +\\Seen+"}) {
    EXPECT_EQ(parsed({std::string("--") + text}).append_flags, flags) << text;
    EXPECT_EQ(parsed({"-o", std::string(text) + ",rw"}).append_flags, flags) << text;
  }
  EXPECT_EQ(parsed({"--append-flags=\\Seen"}).append_flags.to_string(), "\\Seen");
}

TEST(Options, AFlagThatNoClientGivesToNewMailIsRefused) {
  for (const char* flag : {"\\Recent", "\\Deleted", "\\Important", "\\", "a(b", "{1}", "a*", "a\"b", "b\xc3\xbc", "a%",
                           "a]", "\\Seen+\\Recent"})
    EXPECT_NE(refused_option(std::string("--append-flags=") + flag).find("'append-flags'"), std::string::npos) << flag;
}

TEST(Options, TheFstabHelpersOrderWorks) {
  auto options = parse_options({"imaps://anna@mail.example.org", "/mnt", "-o", "ro,timeout=5,uid=1000,allow_other"});
  ASSERT_TRUE(options) << options.error().what;
  EXPECT_TRUE(options->read_only && options->allow_other);
  EXPECT_EQ(options->timeout.count(), 5);
}

TEST(Options, LaterOnesWin) {
  EXPECT_EQ(parsed({"--timeout=5", "-o", "timeout=6", "--timeout=7"}).timeout.count(), 7);
  EXPECT_EQ(parsed({"--timeout=5", "-o", "timeout=6,timeout=8"}).timeout.count(), 8);
  EXPECT_FALSE(parsed({"--ro", "-o", "rw"}).read_only);
  EXPECT_TRUE(parsed({"-o", "rw,ro"}).read_only);
  EXPECT_TRUE(parsed({"--no-watch", "--watch"}).watch);
  EXPECT_FALSE(parsed({"--watch", "-ono-watch"}).watch);
}

TEST(Options, ShortFormsMayBeJoined) {
  EXPECT_TRUE(parsed({"-f"}).foreground);
  EXPECT_TRUE(parsed({"-d"}).debug);
  EXPECT_TRUE(parsed({"-fd"}).debug);
}

TEST(Options, CommasAndBackslashesInsideAListAreEscaped) {
  EXPECT_EQ(parsed({"-o", R"(password-command=a\,b\\c\d,ro)"}).password_command, R"(a,b\c\d)");
  EXPECT_TRUE(parsed({"-o", ",,ro,,"}).read_only);
  EXPECT_TRUE(parsed({"-o", ""}).watch);
}

TEST(Options, AValueMayHoldEqualSigns) { EXPECT_EQ(parsed({"-o", "password-command=a=b"}).password_command, "a=b"); }

TEST(Options, PathsAreMadeAbsolute) {
  const std::string here = std::filesystem::current_path().string();
  auto options = parse_options({"--cache-dir=c", "--password-file=./p", "--ca-file=../ca", "imaps://a@h", "mail/"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->mountpoint, here + "/mail");
  EXPECT_EQ(options->cache_dir, here + "/c");
  EXPECT_EQ(options->password_file, here + "/p");
  EXPECT_TRUE(options->tls.ca_file.starts_with('/'));
}

TEST(Options, WhatIsMissingOrTooMuchIsSaid) {
  EXPECT_NE(refusal({}).find("no account given"), std::string::npos);
  EXPECT_NE(refusal({"-f"}).find("no account given"), std::string::npos);
  EXPECT_NE(refusal({"imaps://a@h"}).find("no mount point given"), std::string::npos);
  EXPECT_NE(refusal({"imaps://a@h", ""}).find("the mount point"), std::string::npos);
  EXPECT_NE(refusal({"imaps://a@h", "/mnt", "/other"}).find("unexpected argument \"/other\""), std::string::npos);
  EXPECT_NE(refusal({"--check", "imaps://a@h", "/mnt"}).find("unexpected argument"), std::string::npos);
}

TEST(Options, CheckNeedsNoMountPoint) {
  auto options = parse_options({"--check", "imap://a@h"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->action, Action::check);
  EXPECT_EQ(options->endpoint.port, 143);
}

TEST(Options, HelpAndVersionNeedNothingElse) {
  for (const Arguments& arguments : {Arguments{"--help"}, Arguments{"-h"}, Arguments{"-h", "imaps://a@h"}}) {
    auto options = parse_options(arguments);
    ASSERT_TRUE(options);
    EXPECT_EQ(options->action, Action::help);
  }
  EXPECT_EQ(parse_options({"--version"})->action, Action::version);
  EXPECT_EQ(parse_options({"-V"})->action, Action::version);
}

TEST(Options, TheUserComesFromTheAddressOrTheOptionAndTheyMustAgree) {
  EXPECT_EQ(parse_options({"imaps://h", "/mnt", "--user=bert"})->user, "bert");
  EXPECT_EQ(parse_options({"imaps://bert@h", "/mnt", "--user=bert"})->user, "bert");
  EXPECT_NE(refusal({"imaps://anna@h", "/mnt", "--user=bert"}).find("another user"), std::string::npos);
  EXPECT_FALSE(parse_options({"imaps://h", "/mnt"})->user.empty()) << "your own name";
}

TEST(Options, PlainTextBeyondThisMachineNeedsConsent) {
  EXPECT_NE(refusal({"imap://a@h", "/mnt", "--insecure"}).find("insecure=yes-really"), std::string::npos);
  EXPECT_NE(refusal({"imap://a@128.0.0.1", "/mnt", "--insecure"}).find("insecure=yes-really"), std::string::npos);
  EXPECT_NE(refusal({"imap://a@h", "/mnt", "--insecure=yes"}).find("yes-really"), std::string::npos);
  EXPECT_TRUE(parse_options({"imap://a@h", "/mnt", "-o", "insecure=yes-really"})->insecure);
  for (const char* url : {"imap://a@localhost", "imap://a@127.0.0.1", "imap://a@127.9.9.9:1143", "imap://a@[::1]"}) {
    auto options = parse_options({url, "/mnt", "-o", "insecure"});
    ASSERT_TRUE(options) << url;
    EXPECT_TRUE(options->insecure);
  }
  auto useless = parse_options({"imaps://a@h", "/mnt", "--insecure"});
  ASSERT_TRUE(useless);
  EXPECT_FALSE(useless->insecure);
  ASSERT_EQ(useless->warnings.size(), 1u);
}

TEST(Options, WhatDoesNotGoTogetherIsRefused) {
  EXPECT_NE(refused_option("--client-key=/k").find("client-cert"), std::string::npos);
  EXPECT_NE(refused_option("--log=file").find("log-file"), std::string::npos);
  EXPECT_NE(refusal({"imaps://a@h", "/m", "--log=journal", "--log-file=/l"}).find("different places"),
            std::string::npos);
  EXPECT_NE(refusal({"imaps://a@h", "/m", "--password-file=/p", "--password-command=c"}).find("exclude"),
            std::string::npos);
  EXPECT_EQ(parsed({"--client-cert=/c", "--client-key=/k"}).tls.client_key, "/k");
  EXPECT_EQ(parsed({"--log=file", "--log-file=/l"}).log_target, LogTarget::file);
}

TEST(Options, TheSourceInProcMountsHoldsNothingThatBreaksIt) {
  EXPECT_EQ(parsed({}, "imaps://a,b%20c%5cd@h").fsname, "imapfs#a_b_c_d@h");
}

TEST(Options, HelpNamesEveryOptionOnceWithItsArgument) {
  const std::string help = help_text();
  std::set<std::string_view> names;
  for (const auto& description : option_table()) {
    EXPECT_TRUE(names.insert(description.name).second) << description.name << " is there twice";
    EXPECT_FALSE(description.help.empty()) << description.name;
    EXPECT_NE(help.find(fmt::format("--{}", description.name)), std::string::npos) << description.name;
    EXPECT_NE(help.find(description.help), std::string::npos) << description.name;
  }
}

TEST(Options, TheManualPageNamesEveryOption) {
  const std::filesystem::path page = std::filesystem::path(IMAPFS_SOURCE_DIR) / "man/imapfs.1";
  if (!std::filesystem::exists(page)) GTEST_SKIP() << "no manual page yet";
  std::ostringstream content;
  content << std::ifstream(page).rdbuf();
  std::string text = content.str();
  for (std::size_t at = text.find("\\-"); at != std::string::npos; at = text.find("\\-", at)) text.erase(at, 1);
  for (const auto& description : option_table()) {
    EXPECT_NE(text.find(description.name), std::string::npos) << description.name << " is not in man/imapfs.1";
  }
}

}  // namespace
}  // namespace imapfs::app
