#include "net/certificate_check.hpp"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <vector>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::net {
namespace {

constexpr std::size_t max_names_shown = 10;

std::string date_of(const ASN1_TIME* time) {
  std::tm broken{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &broken) != 1) return "an unreadable date";
  return fmt::format("{:04}-{:02}-{:02}", broken.tm_year + 1900, broken.tm_mon + 1, broken.tm_mday);
}

std::string common_name(const X509_NAME* name) {
  std::array<char, 256> text{};
  // The text is only shown to users, so it may be cut or lossy.
  if (X509_NAME_get_text_by_NID(const_cast<X509_NAME*>(name), NID_commonName, text.data(), text.size()) < 0) return {};
  return telemetry::printable(text.data(), 80);
}

std::string text_of(const ASN1_STRING* string) {
  const auto* const bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(string));
  return telemetry::printable({bytes, static_cast<std::size_t>(ASN1_STRING_length(string))}, 100);
}

std::string address_of(const ASN1_OCTET_STRING* octets) {
  char text[INET6_ADDRSTRLEN];
  const int family = ASN1_STRING_length(octets) == 4 ? AF_INET : AF_INET6;
  if (ASN1_STRING_length(octets) != 4 && ASN1_STRING_length(octets) != 16) return "a malformed address";
  return ::inet_ntop(family, ASN1_STRING_get0_data(octets), text, sizeof text) == nullptr ? "an address" : text;
}

std::string names_of(X509* certificate) {
  const auto free_names = [](GENERAL_NAMES* names) { GENERAL_NAMES_free(names); };
  const std::unique_ptr<GENERAL_NAMES, decltype(free_names)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)), free_names);
  std::vector<std::string> shown;
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int index = 0; index < count && shown.size() <= max_names_shown; ++index) {
    const auto* const name = sk_GENERAL_NAME_value(names.get(), index);
    if (name->type == GEN_DNS) shown.push_back(text_of(name->d.dNSName));
    else if (name->type == GEN_IPADD) shown.push_back(address_of(name->d.iPAddress));
  }
  if (shown.empty()) {
    const auto subject = common_name(X509_get_subject_name(certificate));
    return subject.empty() ? "no host name at all" : fmt::format("no host name, only the common name {}", subject);
  }
  if (shown.size() > max_names_shown) shown.back() = "…";
  return fmt::format("{}", fmt::join(shown, ", "));
}

std::optional<Sha256> fingerprint_of(const X509* certificate) {
  Sha256 digest{};
  unsigned int length = 0;
  if (certificate == nullptr || X509_digest(certificate, EVP_sha256(), digest.data(), &length) != 1)
    return std::nullopt;
  return digest;
}

std::string in_hex(const std::optional<Sha256>& digest) {
  return digest ? fmt::format("{:02X}", fmt::join(*digest, ":")) : "unknown";
}

/// The sentence for a verdict of X509_verify_cert(). `culprit` is the certificate that failed: the leaf or an
/// authority.
std::string explain(int verdict, X509* leaf, const X509* culprit, const std::string& host) {
  const auto name = telemetry::printable(host);
  const auto pin = in_hex(fingerprint_of(leaf));
  const bool is_leaf = culprit == nullptr || culprit == leaf || X509_cmp(culprit, leaf) == 0;
  const auto subject = is_leaf ? fmt::format("certificate of {}", name)
                               : fmt::format("certificate of the authority \"{}\" that vouches for {}",
                                             common_name(X509_get_subject_name(culprit)), name);
  switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return fmt::format("{} expired on {}", subject, date_of(X509_get0_notAfter(is_leaf ? leaf : culprit)));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return fmt::format("{} is not valid before {} (is this computer's clock right?)", subject,
                         date_of(X509_get0_notBefore(is_leaf ? leaf : culprit)));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return fmt::format("certificate is for {}, not {}", names_of(leaf), name);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return fmt::format(
          "certificate of {} is signed by an unknown authority (self-signed); if it is yours, give it as "
          "ca-file or pin it with fingerprint={}",
          name, pin);
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return fmt::format(
          "certificate of {} is signed by an unknown authority (\"{}\"); if you trust it, give its "
          "certificate as ca-file or pin the server with fingerprint={}",
          name, common_name(X509_get_issuer_name(culprit == nullptr ? leaf : culprit)), pin);
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return fmt::format(
          "{} uses a key or signature that is too weak; pin it with fingerprint={} if there is no better", subject,
          pin);
    default: return fmt::format("{} cannot be verified: {}", subject, X509_verify_cert_error_string(verdict));
  }
}

bool matches_pin(CertificateCheck& check, const X509* leaf) {
  const auto actual = fingerprint_of(leaf);
  if (actual && CRYPTO_memcmp(actual->data(), check.pin->data(), actual->size()) == 0) return true;
  check.refusal = fmt::format(
      "certificate of {} has the fingerprint {}, not the one asked for; if the server's "
      "certificate was renewed, check it and change the option fingerprint",
      telemetry::printable(check.host), in_hex(actual));
  return false;
}

}  // namespace

std::string certificate_host(const std::string& host) {
  auto bare = host.substr(0, host.find('%'));
  if (!bare.empty() && bare.back() == '.') bare.pop_back();
  return bare;
}

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> ignored{};
  return ::inet_pton(AF_INET, host.c_str(), ignored.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), ignored.data()) == 1;
}

bool expect_host(SSL* ssl, CertificateCheck& check) {
  const auto host = certificate_host(check.host);
  if (host.empty() || SSL_set_app_data(ssl, &check) != 1) return false;
  auto* const parameters = SSL_get0_param(ssl);
  if (is_address(host)) return X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1;
  X509_VERIFY_PARAM_set_hostflags(parameters,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size()) == 1 &&
         SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(host.c_str())) == 1;
}

int judge_certificate(X509_STORE_CTX* store, void*) {
  const auto* const ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& check = *static_cast<CertificateCheck*>(SSL_get_app_data(ssl));
  auto* const leaf = X509_STORE_CTX_get0_cert(store);
  if (check.pin) {
    const bool matched = matches_pin(check, leaf);
    X509_STORE_CTX_set_error(store, matched ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
    return matched ? 1 : 0;
  }
  if (X509_verify_cert(store) == 1) return 1;
  check.refusal = explain(X509_STORE_CTX_get_error(store), leaf, X509_STORE_CTX_get_current_cert(store), check.host);
  return 0;
}

}  // namespace imapfs::net
