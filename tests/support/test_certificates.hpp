#pragma once
// Certificates made on the spot for tests of TLS. Header-only, so that unit tests need no support library.

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>

namespace imapfs::testing {

struct OpensslDeleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

/// A certificate with its private key.
struct Credential {
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;

  /// SHA-256, upper-case hex with colons.
  [[nodiscard]] std::string fingerprint() const {
    std::array<unsigned char, 32> digest{};
    unsigned int length = 0;
    X509_digest(certificate.get(), EVP_sha256(), digest.data(), &length);
    std::string text;
    for (const unsigned char byte : digest) {
      char pair[4];
      std::snprintf(pair, sizeof pair, "%s%02X", text.empty() ? "" : ":", byte);
      text += pair;
    }
    return text;
  }
  [[nodiscard]] std::string certificate_pem() const {
    return in_memory([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); });
  }
  [[nodiscard]] std::string key_pem() const {
    return in_memory(
        [&](BIO* bio) { return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  }

 private:
  template <class Writer>
  static std::string in_memory(Writer&& writer) {
    BIO* bio = BIO_new(BIO_s_mem());
    writer(bio);
    char* data = nullptr;
    const long length = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(length));
    BIO_free(bio);
    return text;
  }
};

struct CertificateRequest {
  std::string common_name = "mail.example.org";
  std::string alternative_names = "DNS:mail.example.org";  ///< OpenSSL's syntax; empty: none
  long valid_from = -3600;                                 ///< seconds from now
  long valid_until = 86400;
  bool authority = false;
};

/// Issues by `issuer`, or self-signed where it is null.
inline Credential make_credential(const CertificateRequest& request, const Credential* issuer = nullptr) {
  static int serial = 1;
  Credential made;
  made.key = std::shared_ptr<EVP_PKEY>(EVP_EC_gen("P-256"), OpensslDeleter{});
  made.certificate = std::shared_ptr<X509>(X509_new(), OpensslDeleter{});
  X509* const certificate = made.certificate.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), request.valid_from);
  X509_gmtime_adj(X509_getm_notAfter(certificate), request.valid_until);
  X509_set_pubkey(certificate, made.key.get());
  const auto* const name = reinterpret_cast<const unsigned char*>(request.common_name.c_str());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, name, -1, -1, 0);
  X509* const signer = issuer == nullptr ? certificate : issuer->certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));

  X509V3_CTX context;
  X509V3_set_ctx(&context, signer, certificate, nullptr, nullptr, 0);
  const auto add = [&](int nid, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    if (extension == nullptr) throw std::runtime_error("bad extension " + value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  };
  add(NID_basic_constraints, request.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!request.alternative_names.empty()) add(NID_subject_alt_name, request.alternative_names);
  X509_sign(certificate, issuer == nullptr ? made.key.get() : issuer->key.get(), EVP_sha256());
  return made;
}

inline Credential make_authority(const std::string& name = "Test Authority") {
  return make_credential({.common_name = name, .alternative_names = "", .authority = true});
}

/// A file that is removed with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    std::string pattern = (std::filesystem::temp_directory_path() / "imapfs-test-XXXXXX").string();
    const int descriptor = ::mkostemp(pattern.data(), O_CLOEXEC);
    if (descriptor < 0) throw std::runtime_error("mkostemp");
    ::close(descriptor);
    path_ = pattern;
    std::ofstream(path_) << content;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace imapfs::testing
