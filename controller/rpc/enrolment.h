// Who may come into the cluster and who may no longer: tokens that are out, names that are in, and from when on whose
// certificates count. Kept in a file of its own beside the journal, written durably before anything is answered.
//
//   invite ──▶ token ── join ──▶ member ── renew ──▶ member
//                │ time is over     │
//                ▼                  ▼ revoke: certificates of before are refused
//              nothing            nothing; may be invited anew
//
// A revocation is a moment, as a certificate has one (pki.h, issued_uri): a name that comes back gets certificates of
// after it. Any thread: who only looks waits for no disk, who changes something waits for whoever changes something.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/certificate_request.h"

namespace devrun::controller {

struct EnrolmentOptions {
  Pem authority;                                     // without a key nobody can be invited
  std::string file;                                  // enrolment.json
  Duration certificate_life = seconds(30 * 86'400);  // of what is granted here
  bool drop_invitations =
      false;  // the file came back from a backup: what is out may have been used
};

class Enrolment {
 public:
  static Result<std::unique_ptr<Enrolment>> open(EnrolmentOptions options);

  bool may_invite() const { return !options_.authority.key.empty(); }

  struct Invited {
    std::string token;
    Time until;
  };
  static Status check_valid(Duration valid);
  // kExists: the name is a member's whose certificate is still good, and it is not to get one again.
  enum class Again { kNo, kYes };
  Result<Invited> invite(const Certified& who, Duration valid, Time now, Again again = Again::kNo);

  struct Joined {
    Certified who;
    std::string certificate;
  };
  Result<Joined> join(const std::string& secret, const std::string& request, Time now);
  // `issued`: as the certificate says with which it is asked for. kDenied if that has been revoked: it is looked at here
  // once more, since a call may have been let in before. kExhausted if that name has had too many of late.
  Result<std::string> renew(const Certified& who, std::optional<Time> issued,
                            const std::string& request, Time now);

  struct Revoked {
    bool had_token = false;
    bool had_certificate = false;
  };
  // A name that was never invited can be revoked if it is `known` otherwise.
  Result<Revoked> revoke(const Certified& who, bool known, Time now);

  // Whether a name was invited, got a certificate here, or was revoked.
  bool has_heard_of(const Certified& who) const;

  // Of the newest certificate that was granted; 0: none was.
  Time valid_until(const Certified& who) const;

  // `issued`: as its certificate says; none: it is of before certificates said so.
  bool admits(const Certified& who, std::optional<Time> issued) const;

 private:
  struct Invitation {
    Certified who;
    Time until;
    std::string key;  // fingerprint of the request's key that has used it; empty: nobody has
  };
  struct Member {
    Time until;   // of the newest certificate
    Time issued;  // the latest that any certificate says, which the clock of now may be behind
  };
  struct Book {
    std::map<std::string, Invitation> invitations;  // by the hash of the secret, in hexadecimal
    std::map<std::string, Member> members;          // by URI name
    std::map<std::string, Time> revoked;  // by URI name: certificates of until then are refused
  };
  // Of one name: what it may have at once, and how fast that comes back.
  struct Allowance {
    double left = 0;
    Time at;
  };

  explicit Enrolment(EnrolmentOptions options) : options_(std::move(options)) {}
  bool is_good(const Certified& who, std::optional<Time> issued) const;  // with either mutex
  // With changing_: the book is this one from now on, once it is on disk.
  Status keep(Book book);
  // With changing_: a moment after any revocation of that name.
  Result<std::string> grant(const Certified& who, const std::string& request, Time now, Book& book);
  bool may_renew(const std::string& uri, Time now);  // with changing_

  static std::string to_json(const Book& book);
  Result<Book> parse(const std::string& text, const std::string& file) const;

  const EnrolmentOptions options_;
  std::mutex changing_;  // held while the file is written; before mutex_
  std::map<std::string, Allowance> renewals_;
  mutable std::shared_mutex mutex_;
  Book book_;  // written with both
};

// What somebody is told whose certificate does not count any more.
Error revoked_error(const Certified& who);

}  // namespace devrun::controller
