#include "controller/rpc/enrolment.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/log.h"
#include "common/runtime/file.h"
#include "common/runtime/join_token.h"

namespace devrun::controller {

namespace {

constexpr Duration kValidMin = seconds(60);
constexpr Duration kValidMax = seconds(7 * 86'400);
constexpr size_t kInvitationsMax = 1000;
// Each is a file written and synced: enough for all machines of a user at once, and no load from one that asks for ever.
constexpr double kRenewalsAtOnce = 30;
constexpr double kRenewalsPerSecond = 1;

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return out;
}

// Tells keys apart: the request's own bytes name its key, and only its owner can make them.
std::string name_of_request(const std::string& request) {
  return hex(hash_of_secret(request));
}

Error denied(std::string why) {
  return {Code::kDenied, std::move(why),
          "ask an administrator for a new line: `devrun nodes add NAME` of a machine, `devrun user "
          "token NAME` of a person"};
}

}  // namespace

Error revoked_error(const Certified& who) {
  return {Code::kDenied,
          fmt::format("the certificate of {} '{}' is revoked", role_name(who.role), who.name),
          {}};
}

Result<std::unique_ptr<Enrolment>> Enrolment::open(EnrolmentOptions options) {
  std::unique_ptr<Enrolment> out(new Enrolment(std::move(options)));
  const Result<std::string> text = read_file(out->options_.file);
  if (!text && text.error().code != Code::kNotFound) return text.error();
  if (text) out->book_ = TRY(out->parse(*text, out->options_.file));
  if (!out->options_.drop_invitations || out->book_.invitations.empty()) return out;
  Book book = out->book_;
  log::warning("{} tokens that were out when the backup was taken are void",
               book.invitations.size());
  book.invitations.clear();
  TRY(out->keep(std::move(book)));
  return out;
}

Status Enrolment::keep(Book book) {
  TRY(write_file_durably(options_.file, to_json(book), 0600));
  const std::lock_guard lock(mutex_);
  book_ = std::move(book);
  return ok();
}

Status Enrolment::check_valid(Duration valid) {
  if (valid >= kValidMin && valid <= kValidMax) return ok();
  return Error{Code::kInvalid, "a token is good for 1 minute to 7 days", "--valid 1h"};
}

Result<Enrolment::Invited> Enrolment::invite(const Certified& who, Duration valid, Time now,
                                             Again again) {
  TRY(check_valid(valid));
  const std::string uri = certificate_uri(who);
  const std::lock_guard lock(changing_);
  Book book = book_;
  std::erase_if(book.invitations, [&](const auto& entry) {
    return entry.second.until < now || certificate_uri(entry.second.who) == uri;
  });
  const auto member = book.members.find(uri);
  if (again == Again::kNo && member != book.members.end() && member->second.until > now) {
    return Error{Code::kExists,
                 fmt::format("{} '{}' is in the cluster already", role_name(who.role), who.name),
                 fmt::format("another name, or devrun nodes revoke {} if that one is not to come "
                             "back as it is",
                             who.name)};
  }
  if (book.invitations.size() >= kInvitationsMax) {
    return Error{Code::kExhausted, fmt::format("{} tokens are out", kInvitationsMax),
                 "later, when some of them are over"};
  }
  const JoinToken token = TRY(make_join_token(options_.authority.certificate));
  const Time until = now + valid;
  book.invitations[hex(hash_of_secret(token.secret))] = {who, until, {}};
  TRY(keep(std::move(book)));
  log::info("a token for {} is out", uri);
  return Invited{to_string(token), until};
}

Result<std::string> Enrolment::grant(const Certified& who, const std::string& request, Time now,
                                     Book& book) {
  const std::string uri = certificate_uri(who);
  Time issued = now;
  if (const auto found = book.revoked.find(uri); found != book.revoked.end()) {
    issued = std::max(issued, Time{found->second.us + 1});  // also where the clock was set back
  }
  std::string certificate =
      TRY(certify_request(options_.authority, request, who, issued, options_.certificate_life));
  Member& member = book.members[uri];
  member = {now + options_.certificate_life, std::max(member.issued, issued)};
  return certificate;
}

Result<Enrolment::Joined> Enrolment::join(const std::string& secret, const std::string& request,
                                          Time now) {
  const std::string key = name_of_request(request);
  const std::lock_guard lock(changing_);
  Book book = book_;
  const auto found = book.invitations.find(hex(hash_of_secret(secret)));
  if (found == book.invitations.end()) return denied("this token is not, or no longer, good");
  Invitation& invitation = found->second;
  if (invitation.until < now) return denied("this token's time is over");
  if (!invitation.key.empty() && invitation.key != key) {
    return denied(fmt::format("this token has been used, for {} '{}'",
                              role_name(invitation.who.role), invitation.who.name));
  }
  invitation.key = key;
  const Certified who = invitation.who;
  std::string certificate = TRY(grant(who, request, now, book));
  TRY(keep(std::move(book)));
  log::info("{} has joined", certificate_uri(who));
  return Joined{who, std::move(certificate)};
}

Result<std::string> Enrolment::renew(const Certified& who, std::optional<Time> issued,
                                     const std::string& request, Time now) {
  const std::lock_guard lock(changing_);
  if (!is_good(who, issued)) return revoked_error(who);
  if (!may_renew(certificate_uri(who), now)) {
    return Error{Code::kExhausted,
                 fmt::format("{} '{}' has had {} certificates within a minute", role_name(who.role),
                             who.name, kRenewalsAtOnce),
                 "again in some seconds"};
  }
  Book book = book_;
  std::string certificate = TRY(grant(who, request, now, book));
  TRY(keep(std::move(book)));
  log::info("{} has a new certificate", certificate_uri(who));
  return certificate;
}

Result<Enrolment::Revoked> Enrolment::revoke(const Certified& who, bool known, Time now) {
  const std::string uri = certificate_uri(who);
  const std::lock_guard lock(changing_);
  Book book = book_;
  Revoked out;
  std::erase_if(book.invitations, [&](const auto& entry) {
    if (certificate_uri(entry.second.who) != uri) return false;
    out.had_token = out.had_token || (entry.second.key.empty() && entry.second.until >= now);
    return true;
  });
  const auto member = book.members.find(uri);
  out.had_certificate = known || (member != book.members.end() && member->second.until >= now);
  if (member == book.members.end() && !known && !out.had_token) {
    return Error{
        Code::kNotFound,
        fmt::format("there is no {} '{}', and no token for it", role_name(who.role), who.name),
        "devrun nodes"};
  }
  // A clock that was set back must not let in again what was granted before.
  Time& moment = book.revoked[uri];
  moment = std::max(moment, now);
  if (member != book.members.end()) {
    moment = std::max(moment, member->second.issued);
    book.members.erase(member);
  }
  TRY(keep(std::move(book)));
  log::info("{} is revoked", uri);
  return out;
}

bool Enrolment::may_renew(const std::string& uri, Time now) {
  const auto [found, is_new] = renewals_.try_emplace(uri, Allowance{kRenewalsAtOnce, now});
  Allowance& allowance = found->second;
  const double passed = std::max(0.0, static_cast<double>((now - allowance.at).us) / 1e6);
  allowance = {std::min(kRenewalsAtOnce, allowance.left + passed * kRenewalsPerSecond), now};
  if (allowance.left < 1) return false;
  allowance.left -= 1;
  return true;
}

bool Enrolment::has_heard_of(const Certified& who) const {
  const std::string uri = certificate_uri(who);
  const std::shared_lock lock(mutex_);
  return book_.members.contains(uri) || book_.revoked.contains(uri) ||
         std::ranges::any_of(book_.invitations, [&](const auto& entry) {
           return certificate_uri(entry.second.who) == uri;
         });
}

Time Enrolment::valid_until(const Certified& who) const {
  const std::shared_lock lock(mutex_);
  const auto found = book_.members.find(certificate_uri(who));
  return found == book_.members.end() ? Time{} : found->second.until;
}

bool Enrolment::admits(const Certified& who, std::optional<Time> issued) const {
  const std::shared_lock lock(mutex_);
  return is_good(who, issued);
}

bool Enrolment::is_good(const Certified& who, std::optional<Time> issued) const {
  if (book_.revoked.empty()) return true;
  const auto found = book_.revoked.find(certificate_uri(who));
  return found == book_.revoked.end() || (issued && *issued > found->second);
}

}  // namespace devrun::controller
