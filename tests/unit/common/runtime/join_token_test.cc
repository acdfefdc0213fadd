// Tokens as words that people paste.
#include "common/runtime/join_token.h"

#include <gtest/gtest.h>

#include "common/runtime/certificate_request.h"

namespace devrun {
namespace {

TEST(JoinToken, IsReadAsItWasWritten) {
  const Pem authority = *make_authority("test", 1);
  for (int i = 0; i < 50; ++i) {
    const JoinToken token = *make_join_token(authority.certificate);
    const std::string text = to_string(token);
    EXPECT_EQ(text.find_first_of(" /+='\"$"), std::string::npos) << text;
    const auto read = parse_join_token(text);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->secret, token.secret);
    EXPECT_EQ(read->fingerprint, *fingerprint_of(authority.certificate));
  }
}

TEST(JoinToken, NoTwoAreAlike) {
  const Pem authority = *make_authority("test", 1);
  EXPECT_NE(make_join_token(authority.certificate)->secret,
            make_join_token(authority.certificate)->secret);
}

TEST(JoinToken, ADamagedOneIsRefused) {
  const Pem authority = *make_authority("test", 1);
  const std::string text = to_string(*make_join_token(authority.certificate));
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(parse_join_token(text.substr(0, length))) << length;
  }
  EXPECT_FALSE(parse_join_token(text + "A"));
  EXPECT_FALSE(parse_join_token("devrun1.."));
  EXPECT_EQ(parse_join_token("hello").error().code, Code::kInvalid);
}

}  // namespace
}  // namespace devrun
