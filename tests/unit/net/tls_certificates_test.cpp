// Which certificates are accepted, and what is said of the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "imapfs/net/tls_stream.hpp"
#include "support/test_certificates.hpp"
#include "support/tls_peer.hpp"

namespace imapfs::net {
namespace {

using namespace std::chrono_literals;
using imapfs::testing::CertificateRequest;
using imapfs::testing::Credential;
using imapfs::testing::make_authority;
using imapfs::testing::make_credential;
using imapfs::testing::TemporaryFile;
using imapfs::testing::TlsPeer;
using ::testing::AllOf;
using ::testing::HasSubstr;

class TlsCertificates : public ::testing::Test {
 protected:
  Credential authority_ = make_authority();
  TemporaryFile ca_file_{authority_.certificate_pem()};
  TlsSettings trusting_{.ca_file = ca_file_.path(), .fingerprint = {}, .client_certificate = {}, .client_key = {}};

  Credential issue(const CertificateRequest& request) { return make_credential(request, &authority_); }

  static Result<std::unique_ptr<ByteStream>> connect(TlsPeer& peer, const std::string& host,
                                                     const TlsSettings& settings) {
    return start_tls(adopt_descriptor(peer.take_client()), host, settings, CallContext::within(20s));
  }
  static Result<std::unique_ptr<ByteStream>> connect(const Credential& server, const std::string& host,
                                                     const TlsSettings& settings) {
    TlsPeer peer({.credential = server}, [](TlsPeer&) {});
    return connect(peer, host, settings);
  }
  static void expect_refusal(const Result<std::unique_ptr<ByteStream>>& outcome, const std::string& text) {
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().errnum, EACCES);
    EXPECT_EQ(outcome.error().scope, Scope::account);
    EXPECT_EQ(outcome.error().retry, Retry::never);
    EXPECT_THAT(outcome.error().what, HasSubstr(text));
  }
};

TEST_F(TlsCertificates, AnAuthorityInTheCaFileIsTrustedAndTheServerLearnsTheName) {
  std::string name;
  {
    TlsPeer peer({.credential = issue({})}, [&](TlsPeer& self) {
      name = self.server_name();
      self.read_until_closed();
    });
    auto stream = connect(peer, "mail.example.org", trusting_);
    ASSERT_TRUE(stream) << stream.error().what;
    EXPECT_THAT((*stream)->description(), HasSubstr("TLSv1.3 TLS_"));
  }
  EXPECT_EQ(name, "mail.example.org");
}

TEST_F(TlsCertificates, ATrailingDotOfTheHostIsNotPartOfItsName) {
  EXPECT_TRUE(connect(issue({}), "mail.example.org.", trusting_));
}

TEST_F(TlsCertificates, AnExpiredOneIsRefusedWithItsDate) {
  expect_refusal(connect(issue({.valid_from = -90000, .valid_until = -86400}), "mail.example.org", trusting_),
                 "certificate of mail.example.org expired on 20");
}

TEST_F(TlsCertificates, OneFromTheFutureIsRefusedWithItsDate) {
  expect_refusal(connect(issue({.valid_from = 86400, .valid_until = 90000}), "mail.example.org", trusting_),
                 "certificate of mail.example.org is not valid before 20");
}

TEST_F(TlsCertificates, OneForAnotherHostIsRefusedWithTheNamesItHas) {
  expect_refusal(connect(issue({.alternative_names = "DNS:imap.example.net,IP:192.0.2.7,IP:2001:db8::1"}),
                         "mail.example.org", trusting_),
                 "is for imap.example.net, 192.0.2.7, 2001:db8::1, not mail.example.org");
}

TEST_F(TlsCertificates, ANameInTheSubjectAloneIsNoName) {
  expect_refusal(connect(issue({.alternative_names = ""}), "mail.example.org", trusting_),
                 "no host name, only the common name mail.example.org");
}

TEST_F(TlsCertificates, AWildcardCountsAsAWholeLabelOnly) {
  EXPECT_TRUE(connect(issue({.alternative_names = "DNS:*.example.org"}), "mail.example.org", trusting_));
  EXPECT_FALSE(connect(issue({.alternative_names = "DNS:m*.example.org"}), "mail.example.org", trusting_));
  EXPECT_FALSE(connect(issue({.alternative_names = "DNS:*.example.org"}), "a.mail.example.org", trusting_));
}

TEST_F(TlsCertificates, ControlCharactersInNamesDoNotReachTheMessage) {
  const auto outcome = connect(issue({.common_name = "a\x1b[31mb", .alternative_names = ""}), "mail.example.org",
                               trusting_);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().what.find('\x1b'), std::string::npos);
}

TEST_F(TlsCertificates, ASelfSignedOneIsRefusedWithTheFingerprintToPin) {
  const auto server = make_credential({});
  const auto outcome = connect(server, "mail.example.org", trusting_);
  expect_refusal(outcome, "signed by an unknown authority (self-signed)");
  EXPECT_THAT(outcome.error().what, HasSubstr("fingerprint=" + server.fingerprint()));
}

TEST_F(TlsCertificates, TheSystemsStoreDoesNotKnowAPrivateAuthority) {
  expect_refusal(connect(issue({}), "mail.example.org", {}), "signed by an unknown authority (\"Test Authority\")");
}

TEST_F(TlsCertificates, APinnedOneIsAcceptedWhateverElseIsWrongWithIt) {
  const auto server = make_credential(
      {.common_name = "x", .alternative_names = "DNS:other", .valid_from = -900, .valid_until = -600});
  TlsSettings pinned;
  pinned.fingerprint = server.fingerprint();
  EXPECT_TRUE(connect(server, "mail.example.org", pinned));
  std::erase(pinned.fingerprint, ':');
  for (auto& digit : pinned.fingerprint) digit = static_cast<char>(std::tolower(digit));
  EXPECT_TRUE(connect(server, "mail.example.org", pinned));
}

TEST_F(TlsCertificates, AnotherThanThePinnedOneIsRefusedEvenWithAGoodChain) {
  const auto server = issue({});
  auto settings = trusting_;
  settings.fingerprint = issue({}).fingerprint();
  const auto outcome = connect(server, "mail.example.org", settings);
  expect_refusal(outcome, "not the one asked for");
  EXPECT_THAT(outcome.error().what, HasSubstr(server.fingerprint()));
}

TEST_F(TlsCertificates, AnAddressIsVerifiedAsAddressAndNotSentAsName) {
  std::string name = "unset";
  {
    TlsPeer peer({.credential = issue({.alternative_names = "IP:127.0.0.1,IP:::1"})}, [&](TlsPeer& self) {
      name = self.server_name();
      self.read_until_closed();
    });
    EXPECT_TRUE(connect(peer, "127.0.0.1", trusting_));
  }
  EXPECT_EQ(name, "");
  EXPECT_TRUE(connect(issue({.alternative_names = "IP:::1"}), "::1", trusting_));
  expect_refusal(connect(issue({.alternative_names = "IP:127.0.0.2,DNS:127.0.0.1"}), "127.0.0.1", trusting_),
                 "not 127.0.0.1");
}

TEST_F(TlsCertificates, AServerThatWantsAClientCertificateGetsOne) {
  const auto client = issue({.common_name = "anna", .alternative_names = ""});
  const TemporaryFile both(client.certificate_pem() + client.key_pem());
  auto settings = trusting_;
  settings.client_certificate = both.path();
  TlsPeer peer({.credential = issue({}), .require_client_certificate = true},
               [](TlsPeer& self) { self.send("hello"); });
  auto stream = connect(peer, "mail.example.org", settings);
  ASSERT_TRUE(stream) << stream.error().what;
  std::array<char, 16> buffer{};
  EXPECT_EQ((*stream)->read(buffer, CallContext::within(20s)).value_or(0), 5u);
}

TEST_F(TlsCertificates, WithoutAClientCertificateTheUserIsToldThatOneIsWanted) {
  TlsPeer peer({.credential = issue({}), .require_client_certificate = true});
  auto stream = connect(peer, "mail.example.org", trusting_);
  ASSERT_TRUE(stream);  // TLS 1.3: the server's refusal comes after the client has finished
  std::array<char, 16> buffer{};
  const auto read = (*stream)->read(buffer, CallContext::within(20s));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().errnum, EACCES);
  EXPECT_THAT(read.error().what, HasSubstr("client-certificate"));
}

TEST_F(TlsCertificates, AServerWithoutTls12IsRefused) {
  TlsPeer peer({.credential = issue({}), .highest_version = TLS1_1_VERSION});
  const auto outcome = connect(peer, "mail.example.org", trusting_);
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().what, HasSubstr("no TLS 1.2 or later"));
}

TEST_F(TlsCertificates, SettingsAreCheckedWithoutConnecting) {
  EXPECT_TRUE(validate({}));
  EXPECT_TRUE(validate(trusting_));
  const auto refused = [](const TlsSettings& settings) {
    const auto checked = validate(settings);
    return checked ? std::string("accepted") : checked.error().what;
  };
  TlsSettings settings;
  settings.ca_file = "/nonexistent/ca.pem";
  EXPECT_THAT(refused(settings), AllOf(HasSubstr("/nonexistent/ca.pem"), HasSubstr("No such file")));
  const TemporaryFile empty("");
  settings.ca_file = empty.path();
  EXPECT_THAT(refused(settings), HasSubstr("holds no certificate"));
  settings = {};
  for (const auto* text : {"12:34", "zz", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0"}) {
    settings.fingerprint = text;
    EXPECT_THAT(refused(settings), HasSubstr("64 hex digits"));
  }
  settings = {};
  const TemporaryFile other_key(make_credential({}).key_pem());
  const TemporaryFile certificate(make_credential({}).certificate_pem());
  settings.client_certificate = certificate.path();
  EXPECT_THAT(refused(settings), HasSubstr("client key"));
  settings.client_key = other_key.path();
  EXPECT_THAT(refused(settings), HasSubstr("client key"));
}

}  // namespace
}  // namespace imapfs::net
