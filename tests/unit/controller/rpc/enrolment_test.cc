// Tokens, members and revocations: the book by itself, and a whole controller over TLS.
#include "controller/rpc/enrolment.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/version.h"
#include "common/runtime/file.h"
#include "common/runtime/join_token.h"
#include "devrun/v1/enrolment.grpc.pb.h"
#include "tests/unit/controller/rpc/harness.h"

namespace devrun::controller::testing {
namespace {

constexpr Time kNow{1'700'000'000'000'000};
constexpr Duration kHour = seconds(3600);
const Certified kNode{Role::kNode, "node7"};

class EnrolmentBook : public ::testing::Test {
 protected:
  EnrolmentBook() {
    std::string pattern = std::filesystem::temp_directory_path() / "devrun-enrol-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    reopen();
  }
  ~EnrolmentBook() override { std::filesystem::remove_all(folder_); }

  void reopen() {
    auto opened = Enrolment::open({authority_, folder_ + "/enrolment.json", seconds(86'400)});
    ASSERT_TRUE(opened) << opened.error().message;
    book_ = std::move(*opened);
  }
  std::string invite(Time now = kNow) {
    const auto invited = book_->invite(kNode, kHour, now);
    EXPECT_TRUE(invited) << invited.error().message;
    return parse_join_token(invited->token)->secret;
  }

  const Pem authority_ = *make_authority("test", 1);
  const std::string request_ = make_request()->request;
  std::string folder_;
  std::unique_ptr<Enrolment> book_;
};

TEST_F(EnrolmentBook, ATokenIsGoodForOneKey) {
  const std::string secret = invite();
  reopen();  // the controller may be restarted at any time
  const auto joined = book_->join(secret, request_, kNow);
  ASSERT_TRUE(joined) << joined.error().message;
  EXPECT_EQ(joined->who.name, "node7");
  EXPECT_EQ(joined->who.role, Role::kNode);
  reopen();
  EXPECT_TRUE(book_->join(secret, request_, kNow)) << "its answer may have been lost";
  EXPECT_EQ(book_->join(secret, make_request()->request, kNow).error().code, Code::kDenied);
  EXPECT_EQ(book_->join("something else", request_, kNow).error().code, Code::kDenied);
}

// Going back to a backup: who has used a token since is not in it.
TEST_F(EnrolmentBook, WhatWasOutWhenABackupWasTakenIsVoid) {
  const std::string secret = invite();
  const auto back =
      Enrolment::open({authority_, folder_ + "/enrolment.json", seconds(86'400), true});
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ((*back)->join(secret, request_, kNow).error().code, Code::kDenied);
  reopen();
  EXPECT_EQ(book_->join(secret, request_, kNow).error().code, Code::kDenied)
      << "nor after another start";
  EXPECT_TRUE(book_->join(invite(), request_, kNow)) << "a new one is good";
}

// The call may have been let in before the revocation.
TEST_F(EnrolmentBook, WhatWasRevokedMeanwhileIsNotRenewed) {
  ASSERT_TRUE(book_->join(invite(), request_, kNow));
  EXPECT_TRUE(book_->renew(kNode, kNow, request_, kNow + seconds(1)));
  ASSERT_TRUE(book_->revoke(kNode, false, kNow + seconds(5)));
  EXPECT_EQ(book_->renew(kNode, kNow, request_, kNow + seconds(6)).error().code, Code::kDenied);
  EXPECT_FALSE(book_->renew(kNode, std::nullopt, request_, kNow + seconds(6)));
}

TEST_F(EnrolmentBook, ATokenEndsWithItsTime) {
  const std::string secret = invite();
  EXPECT_EQ(book_->join(secret, request_, kNow + kHour + seconds(1)).error().code, Code::kDenied);
  EXPECT_EQ(book_->invite(kNode, seconds(1), kNow).error().code, Code::kInvalid);
  EXPECT_EQ(book_->invite(kNode, seconds(30 * 86'400), kNow).error().code, Code::kInvalid);
}

TEST_F(EnrolmentBook, ALaterTokenForTheNameVoidsTheEarlier) {
  const std::string first = invite();
  const std::string second = invite();
  EXPECT_FALSE(book_->join(first, request_, kNow));
  EXPECT_TRUE(book_->join(second, request_, kNow));
}

TEST_F(EnrolmentBook, ANameThatIsInUseIsNotGivenAgain) {
  ASSERT_TRUE(book_->join(invite(), request_, kNow));
  EXPECT_EQ(book_->invite(kNode, kHour, kNow).error().code, Code::kExists);
  reopen();
  EXPECT_EQ(book_->invite(kNode, kHour, kNow).error().code, Code::kExists);
  // Its certificate has ended: nobody is it any more.
  EXPECT_TRUE(book_->invite(kNode, kHour, kNow + seconds(2 * 86'400)));
}

TEST_F(EnrolmentBook, ARevocationIsForWhatWasGrantedBefore) {
  ASSERT_TRUE(book_->join(invite(), request_, kNow));
  EXPECT_TRUE(book_->admits(kNode, kNow));
  const Time later = kNow + seconds(10);
  const auto revoked = book_->revoke(kNode, false, later);
  ASSERT_TRUE(revoked);
  EXPECT_TRUE(revoked->had_certificate);
  EXPECT_FALSE(revoked->had_token);
  reopen();
  EXPECT_FALSE(book_->admits(kNode, kNow));
  EXPECT_FALSE(book_->admits(kNode, std::nullopt));
  EXPECT_TRUE(book_->admits({Role::kNode, "node8"}, kNow));
  EXPECT_TRUE(book_->admits({Role::kUser, "node7"}, kNow));
  // It comes back, also where the clock was set back meanwhile.
  const auto again = book_->join(invite(kNow), request_, kNow);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(book_->admits(kNode, later + seconds(1)));
  EXPECT_FALSE(book_->admits(kNode, later));
}

TEST_F(EnrolmentBook, ARevocationHoldsAlsoIfTheClockWasSetBackSinceTheCertificate) {
  const Time ahead = kNow + kHour;
  ASSERT_TRUE(book_->join(invite(kNow + seconds(60)), request_, ahead));
  reopen();
  ASSERT_TRUE(book_->revoke(kNode, false, kNow));
  EXPECT_FALSE(book_->admits(kNode, ahead));
  ASSERT_TRUE(book_->join(invite(kNow), request_, kNow));
  EXPECT_TRUE(book_->admits(kNode, ahead + Duration{1})) << "what is granted later is later";
}

TEST_F(EnrolmentBook, WhoRenewsForEverIsSlowedDown) {
  ASSERT_TRUE(book_->join(invite(), request_, kNow));
  int granted = 0;
  while (granted < 1000 && book_->renew(kNode, kNow, request_, kNow)) ++granted;
  EXPECT_GE(granted, 10);
  EXPECT_LE(granted, 60);
  EXPECT_EQ(book_->renew(kNode, kNow, request_, kNow).error().code, Code::kExhausted);
  EXPECT_TRUE(book_->renew(kNode, kNow, request_, kNow + seconds(5)));
  const Certified other{Role::kUser, "ada"};
  EXPECT_TRUE(book_->renew(other, kNow, request_, kNow)) << "each has an allowance of its own";
}

TEST_F(EnrolmentBook, ATokenIsRevokedBeforeAnybodyUsesIt) {
  const std::string secret = invite();
  const auto revoked = book_->revoke(kNode, false, kNow);
  ASSERT_TRUE(revoked);
  EXPECT_TRUE(revoked->had_token);
  EXPECT_FALSE(revoked->had_certificate);
  EXPECT_FALSE(book_->join(secret, request_, kNow));
  EXPECT_EQ(book_->revoke({Role::kNode, "nobody"}, false, kNow).error().code, Code::kNotFound);
  EXPECT_TRUE(book_->revoke({Role::kNode, "node1"}, true, kNow)) << "known, but never invited";
}

TEST_F(EnrolmentBook, ADamagedBookLetsNobodyIn) {
  invite();
  const std::string file = folder_ + "/enrolment.json";
  const std::string text = *read_file(file);
  EXPECT_EQ(std::filesystem::status(file).permissions() & std::filesystem::perms::mask,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  ASSERT_TRUE(write_file_atomically(file, text.substr(0, text.size() / 2)));
  EXPECT_EQ(Enrolment::open({authority_, file}).error().code, Code::kCorrupt);
  ASSERT_TRUE(write_file_atomically(file, R"({"version":2})"));
  EXPECT_EQ(Enrolment::open({authority_, file}).error().code, Code::kCorrupt);
}

// ── a controller ──

class Joins : public ::testing::Test {
 protected:
  std::unique_ptr<pb::Enrolment::Stub> stub(Role role, const std::string& name) {
    return pb::Enrolment::NewStub(cluster_.channel(role, name));
  }
  grpc::Status invite(const std::string& name, pb::InviteReply& reply, Role role = Role::kAdmin) {
    pb::InviteRequest request;
    request.set_role("node");
    request.set_name(name);
    request.set_valid_us(kHour.us);
    Call call;
    return stub(role, "root")->Invite(&call, request, &reply);
  }
  grpc::Status join(const std::string& token, const std::string& asked, pb::JoinReply& reply,
                    std::string version = std::string(kVersion)) {
    pb::JoinRequest request;
    request.set_secret(parse_join_token(token)->secret);
    request.set_request(asked);
    request.set_version(version);
    Call call;
    return pb::Joining::NewStub(cluster_.join_channel())->Join(&call, request, &reply);
  }
  grpc::Status revoke(const std::string& name) {
    pb::RevokeRequest request;
    request.set_role("node");
    request.set_name(name);
    pb::RevokeReply reply;
    Call call;
    return stub(Role::kAdmin, "root")->Revoke(&call, request, &reply);
  }

  TestCluster cluster_;
};

pb::SynchronizeRequest hello_of(const std::string& name) {
  pb::SynchronizeRequest request;
  request.mutable_hello()->set_name(name);
  request.mutable_hello()->set_version(std::string(kVersion));
  request.mutable_hello()->set_boot_id("boot");
  return request;
}

TEST_F(Joins, AMachineBecomesANodeAndIsRefusedAtOnceWhenItIsRevoked) {
  pb::InviteReply invited;
  ASSERT_TRUE(invite("node7", invited).ok());
  EXPECT_EQ(invited.join(), "ctl:7444");
  EXPECT_EQ(parse_join_token(invited.token())->fingerprint,
            *fingerprint_of(cluster_.authority().certificate));
  const auto made = *make_request();
  pb::JoinReply joined;
  const grpc::Status in = join(invited.token(), made.request, joined);
  ASSERT_TRUE(in.ok()) << in.error_message();
  EXPECT_EQ(joined.name(), "node7");
  EXPECT_EQ(joined.controller(), "ctl:7443");
  EXPECT_EQ(joined.settings(), "nfs: 10.0.0.1:2049\n");

  const auto channel = cluster_.channel_with({joined.certificate(), made.key});
  const auto agent = pb::Agent::NewStub(channel);
  Call held;
  const auto reader = agent->Synchronize(&held, hello_of("node7"));
  pb::DesiredState state;
  ASSERT_TRUE(reader->Read(&state));

  ASSERT_TRUE(revoke("node7").ok());
  EXPECT_FALSE(reader->Read(&state)) << "the call that stood is ended";
  EXPECT_FALSE(reader->Finish().ok());
  const auto refused = [&] {
    Call call;
    pb::ReportRequest report;
    report.set_node("node7");
    pb::ReportReply reply;
    return agent->Report(&call, report, &reply);
  };
  EXPECT_EQ(refused().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  cluster_.stop();
  cluster_.start();
  const auto later = pb::Agent::NewStub(cluster_.channel_with({joined.certificate(), made.key}));
  Call call;
  pb::ReportRequest report;
  report.set_node("node7");
  pb::ReportReply reply;
  EXPECT_EQ(later->Report(&call, report, &reply).error_code(), grpc::StatusCode::PERMISSION_DENIED)
      << "a restart forgets no revocation";
}

TEST_F(Joins, ACertificateIsRenewedForAnotherKey) {
  pb::InviteReply invited;
  ASSERT_TRUE(invite("node7", invited).ok());
  const auto first = *make_request();
  pb::JoinReply joined;
  ASSERT_TRUE(join(invited.token(), first.request, joined).ok());
  const auto second = *make_request();
  pb::RenewRequest request;
  request.set_request(second.request);
  pb::RenewReply renewed;
  Call call;
  ASSERT_TRUE(pb::Enrolment::NewStub(cluster_.channel_with({joined.certificate(), first.key}))
                  ->Renew(&call, request, &renewed)
                  .ok());
  const auto agent = pb::Agent::NewStub(cluster_.channel_with({renewed.certificate(), second.key}));
  Call again;
  const auto reader = agent->Synchronize(&again, hello_of("node7"));
  pb::DesiredState state;
  EXPECT_TRUE(reader->Read(&state));
  again.TryCancel();
  reader->Finish();
}

TEST_F(Joins, OnlyAdministratorsInviteAndRevoke) {
  pb::InviteReply reply;
  for (const Role role : {Role::kUser, Role::kNode, Role::kController}) {
    EXPECT_EQ(invite("node7", reply, role).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  }
  pb::RevokeRequest request;
  request.set_role("node");
  request.set_name("node7");
  pb::RevokeReply revoked;
  Call call;
  EXPECT_EQ(stub(Role::kNode, "node7")->Revoke(&call, request, &revoked).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(Joins, BadNamesAndVersionsAreRefused) {
  pb::InviteReply reply;
  for (const char* name : {"", "a/b", "..", "a b", "-x"}) {
    EXPECT_EQ(invite(name, reply).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << name;
  }
  ASSERT_TRUE(invite("node7", reply).ok());
  pb::JoinReply joined;
  EXPECT_FALSE(join(reply.token(), make_request()->request, joined, "9.9.9").ok());
  EXPECT_TRUE(join(reply.token(), make_request()->request, joined).ok()) << "nobody had used it";
}

// The port for machines that join knows nothing else.
TEST_F(Joins, WithoutACertificateNothingElseCanBeCalled) {
  Call call;
  pb::ClientHello hello;
  pb::ControllerHello reply;
  EXPECT_EQ(pb::Client::NewStub(cluster_.join_channel())->Hello(&call, hello, &reply).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  Call other;
  pb::RevokeRequest request;
  pb::RevokeReply revoked;
  EXPECT_EQ(pb::Enrolment::NewStub(cluster_.join_channel())
                ->Revoke(&other, request, &revoked)
                .error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace devrun::controller::testing
