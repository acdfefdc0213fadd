// Users and groups, and that they are there after a restart.
#include "controller/access/accounts.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "common/runtime/file.h"

namespace devrun::controller {
namespace {

class AccountsTest : public ::testing::Test {
 protected:
  AccountsTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "devrun-accounts-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~AccountsTest() override { std::filesystem::remove_all(folder_); }
  std::string file() const { return folder_ + "/accounts.json"; }

  std::string folder_;
};

TEST_F(AccountsTest, AreThereAfterARestart) {
  {
    const auto accounts = *Accounts::open(file());
    ASSERT_TRUE(accounts->add("ada", {Role::kUser, {"vision"}, Time{7}}));
    ASSERT_TRUE(accounts->add("eve", {Role::kReader, {}, Time{8}}));
    ASSERT_TRUE(accounts->add("bob", {Role::kUser, {}, Time{9}}));
    ASSERT_TRUE(accounts->remove("bob"));
    ASSERT_TRUE(accounts->change_groups("ada", {"speech"}, {"vision"}));
  }
  const auto accounts = *Accounts::open(file());
  EXPECT_EQ(accounts->all(), (AccountMap{{"ada", {Role::kUser, {"speech"}, Time{7}}},
                                         {"eve", {Role::kReader, {}, Time{8}}}}));
  EXPECT_EQ(accounts->groups_of("ada"), std::set<std::string>{"speech"});
  EXPECT_EQ(accounts->groups_of("nobody"), std::set<std::string>{});
}

TEST_F(AccountsTest, WhoTheyAreOnTheSiteIsKeptAndTakenBack) {
  const SiteIdentity ids{1234, 100, {2000}};
  {
    const auto accounts = *Accounts::open(file());
    ASSERT_TRUE(accounts->add("ada", {Role::kUser, {}, Time{7}, ids}));
    ASSERT_TRUE(accounts->add("bob", {Role::kUser, {}, Time{7}}));
    ASSERT_TRUE(accounts->change_site("bob", SiteIdentity{1235, 100, {}}));
    ASSERT_TRUE(accounts->change_groups("ada", {"vision"}, {}));
  }
  const auto accounts = *Accounts::open(file());
  EXPECT_EQ(accounts->site_of("ada"), ids);
  EXPECT_EQ(accounts->site_of("bob"), (SiteIdentity{1235, 100, {}}));
  EXPECT_EQ(accounts->site_of("root"), std::nullopt);
  ASSERT_TRUE(accounts->change_site("bob", std::nullopt));
  EXPECT_EQ((*Accounts::open(file()))->site_of("bob"), std::nullopt);
  EXPECT_EQ(accounts->change_site("bob", SiteIdentity{0, 100, {}}).error().code, Code::kInvalid);
  EXPECT_EQ(accounts->add("eve", {Role::kUser, {}, {}, SiteIdentity{0, 0, {}}}).error().code,
            Code::kInvalid);
  EXPECT_EQ(accounts->change_site("boob", ids).error().code, Code::kNotFound);
}

TEST_F(AccountsTest, ACertificateCountsInItsOwnRoleAlone) {
  const auto accounts = *Accounts::open(file());
  ASSERT_TRUE(accounts->add("ada", {Role::kUser, {}, {}}));
  ASSERT_TRUE(accounts->add("olga", {Role::kAdmin, {}, {}}));
  EXPECT_TRUE(accounts->knows({Role::kUser, "ada"}));
  EXPECT_FALSE(accounts->knows({Role::kAdmin, "ada"}));
  EXPECT_FALSE(accounts->knows({Role::kReader, "ada"}));
  EXPECT_FALSE(accounts->knows({Role::kUser, "bob"}));
  EXPECT_TRUE(accounts->knows({Role::kAdmin, "root"}));
  EXPECT_FALSE(accounts->knows({Role::kUser, "root"}));
  EXPECT_TRUE(accounts->knows({Role::kNode, "node1"}));
  EXPECT_TRUE(accounts->is_admin("olga"));
  EXPECT_FALSE(accounts->is_admin("ada"));
  ASSERT_TRUE(accounts->remove("ada"));
  EXPECT_FALSE(accounts->knows({Role::kUser, "ada"}));
  EXPECT_FALSE(accounts->is_there("ada"));
}

TEST_F(AccountsTest, BadNamesAndRolesAreRefused) {
  const auto accounts = *Accounts::open(file());
  for (const char* name :
       {"", "Ada", "-a", ".a", "a/b", "a b", "@a", "root", "a23456789012345678901234567890123"}) {
    EXPECT_EQ(accounts->add(name, {}).error().code, Code::kInvalid) << name;
  }
  EXPECT_EQ(accounts->add("n", {Role::kNode, {}, {}}).error().code, Code::kInvalid);
  EXPECT_EQ(accounts->add("n", {Role::kUser, {"Bad"}, {}}).error().code, Code::kInvalid);
  ASSERT_TRUE(accounts->add("ada", {}));
  EXPECT_EQ(accounts->add("ada", {}).error().code, Code::kExists);
  EXPECT_EQ(accounts->remove("adda").error().message,
            "there is no user 'adda'; did you mean 'ada'?");
  EXPECT_EQ(accounts->change_groups("ada", {}, {"x"}).error().message, "'ada' is in no group 'x'");
  EXPECT_TRUE(check_share_name("@vision"));
  EXPECT_TRUE(check_share_name("ada"));
  EXPECT_FALSE(check_share_name("@"));
  EXPECT_FALSE(check_share_name("@@a"));
}

TEST_F(AccountsTest, ADamagedFileLetsNobodyIn) {
  for (const char* text :
       {"", "{", "[]", R"({"version": 2, "users": {}})",
        R"({"version": 1, "users": {"ada": {"role": "king"}}})",
        R"({"version": 1, "users": {"Ada": {"role": "user", "groups": [], "added_us": 1}}})"}) {
    ASSERT_TRUE(write_file_durably(file(), text));
    EXPECT_EQ(Accounts::open(file()).error().code, Code::kCorrupt) << text;
  }
}

}  // namespace
}  // namespace devrun::controller
