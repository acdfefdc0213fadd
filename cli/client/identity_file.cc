#include "cli/client/identity_file.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <filesystem>

#include "cli/client/call.h"
#include "common/runtime/certificate_request.h"
#include "common/runtime/file.h"
#include "devrun/v1/enrolment.grpc.pb.h"

namespace devrun::cli {

namespace fs = std::filesystem;
namespace pb = devrun::v1;

namespace {

constexpr auto kRenewPatience = std::chrono::seconds(5);
constexpr size_t kFileBytesMax = 1 << 20;
constexpr std::string_view kWrittenBy = "# Written by `devrun login`.\n";

bool is_there(const std::string& path) {
  std::error_code failed;
  return fs::exists(fs::symlink_status(path, failed));
}

// What is there is replaced only if a login has written it, for this same cluster.
Status check_folder(const LoginWish& wish) {
  const std::string config = wish.folder + "/config.yaml";
  if (!is_there(config)) return ok();
  const Result<std::string> text = read_file(config, kFileBytesMax);
  const Result<std::string> authority = read_file(wish.folder + "/ca.crt", kFileBytesMax);
  if (text && authority && text->starts_with(kWrittenBy)) {
    const Result<std::string> known = fingerprint_of(*authority);
    if (known && *known == wish.token.fingerprint) return ok();
  }
  return Error{Code::kExists, fmt::format("{} is there, and is of another cluster", config),
               fmt::format("devrun login --folder {}/NAME …, then export "
                           "DEVRUN_CONFIG={}/NAME/config.yaml",
                           wish.folder, wish.folder)};
}

// The key that the token is good for, kept until the answer has come.
Result<Request> request_of(const std::string& file) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE REQUEST-----";
  if (const Result<std::string> kept = read_file(file, kFileBytesMax)) {
    const size_t at = kept->find(kBegin);
    if (at != std::string::npos) return Request{kept->substr(0, at), kept->substr(at)};
  }
  Request made = TRY(make_request());
  TRY(write_file_durably(file, made.key + made.request, 0600));
  return made;
}

// The file that the target's key and certificate came from, if `log_in` made it; else empty.
std::string identity_file(const Surroundings& surroundings, const Target& target) {
  std::string config;
  if (const auto named = surroundings.variable("DEVRUN_CONFIG")) {
    config = *named;
  } else if (const auto home = surroundings.variable("HOME")) {
    config = *home + "/.config/devrun/config.yaml";
  }
  const Result<std::string> text = read_file(config, kFileBytesMax);
  const std::string file = fs::path(config).parent_path().string() + "/identity.pem";
  const Result<std::string> identity = read_file(file, kFileBytesMax);
  const bool is_it = text && text->starts_with(kWrittenBy) && identity && *identity == target.key;
  return is_it ? file : std::string();
}

Result<std::string> renewed(const Target& target) {
  const Request made = TRY(make_request());
  const auto stub = pb::Enrolment::NewStub(open_channel(target));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kRenewPatience);
  pb::RenewRequest request;
  request.set_request(made.request);
  pb::RenewReply reply;
  const grpc::Status status = stub->Renew(&context, request, &reply);
  if (!status.ok()) return call_error(status, target);
  return made.key + reply.certificate();
}

}  // namespace

Result<Joined> log_in(const LoginWish& wish) {
  TRY(make_folders(wish.folder, 0700));
  TRY(check_folder(wish));
  const std::string pending = wish.folder + "/joining.pem";
  const Request request = TRY(request_of(pending));
  Joined joined = TRY(join(wish.endpoint, wish.token, request.request));
  if (joined.role == "node") {
    return Error{
        Code::kInvalid,
        fmt::format("this token makes a machine the node {}, and nobody a user", joined.name),
        fmt::format("devrun nodes join {} TOKEN, on that machine", wish.endpoint)};
  }
  TRY(write_file_durably(wish.folder + "/ca.crt", joined.authority, 0644));
  TRY(write_file_durably(wish.folder + "/identity.pem", request.key + joined.certificate, 0600));
  TRY(write_file_durably(
      wish.folder + "/config.yaml",
      fmt::format("{}controller: {}\nca: ca.crt\ncert: identity.pem\nkey: identity.pem\n",
                  kWrittenBy, joined.controller),
      0600));
  std::error_code failed;
  fs::remove(pending, failed);
  return joined;
}

Status keep_certificate(const Surroundings& surroundings, Target& target, Time now) {
  if (target.certificate.empty()) return ok();
  const Result<Validity> validity = validity_of(target.certificate);
  if (!validity) return ok();  // TLS says what is wrong with it
  const auto& [from, until] = *validity;
  if (until < now) {
    return Error{Code::kDenied, "your certificate's time is over, since nothing has renewed it",
                 "ask an administrator for `devrun user token NAME`, then devrun login"};
  }
  const bool is_due = now - from > Duration{(until - from).us / 2};
  const std::string file = is_due ? identity_file(surroundings, target) : std::string();
  if (file.empty()) return ok();
  const Result<std::string> identity = renewed(target);
  if (!identity) return ok();
  if (write_file_durably(file, *identity, 0600)) {
    target.certificate = target.key = *identity;
  }
  return ok();
}

}  // namespace devrun::cli
