#include "common/model/site_identity.h"

#include <gtest/gtest.h>

namespace devrun {
namespace {

TEST(SiteIdentity, IsReadAndShown) {
  const Result<SiteIdentity> ids = parse_site_identity("1234:100,3000,2000,100,2000");
  ASSERT_TRUE(ids) << ids.error().message;
  EXPECT_EQ(*ids, (SiteIdentity{1234, 100, {2000, 3000}}));
  EXPECT_EQ(to_string(*ids), "1234:100,2000,3000");
  EXPECT_EQ(to_string(*parse_site_identity("7:8")), "7:8");
}

TEST(SiteIdentity, IsNeverRootNorNobody) {
  for (const char* text :
       {"0:100", "100:0", "100:100,0", "65534:100", "100:65534", "4294967295:1"}) {
    const Result<SiteIdentity> ids = parse_site_identity(text);
    ASSERT_FALSE(ids) << text;
    EXPECT_NE(ids.error().message.find("nobody is root"), std::string::npos) << ids.error().message;
  }
}

TEST(SiteIdentity, SaysHowItIsWritten) {
  for (const char* text : {"", "1234", "ada:users", "1234:", "1234:1,", "1:2:3", "-1:2", "1 :2"}) {
    const Result<SiteIdentity> ids = parse_site_identity(text);
    ASSERT_FALSE(ids) << text;
    EXPECT_NE(ids.error().message.find("is not UID:GID"), std::string::npos);
  }
}

TEST(SiteIdentity, HasItsBounds) {
  SiteIdentity ids{1, 1, {}};
  for (uint32_t group = 2; ids.groups.size() <= kSiteGroupsMax; ++group)
    ids.groups.push_back(group);
  EXPECT_EQ(check_site_identity(ids).error().code, Code::kExhausted);
  ids.groups.pop_back();
  EXPECT_TRUE(check_site_identity(ids));
}

}  // namespace
}  // namespace devrun
