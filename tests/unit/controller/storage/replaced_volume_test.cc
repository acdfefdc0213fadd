// A name may be another volume's by the end of what was begun with it: what goes on then is about the volume that it was.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/runtime/file.h"
#include "tests/unit/controller/storage/driver_fixture.h"
#include "tests/unit/controller/storage/tree_view.h"

namespace devrun::storage {
namespace {

class ReplacedVolumeTest : public StoreTest {};

// An archive comes at its sender's speed: by its end the name may be another volume's, or the sender have no right any more.
TEST_P(ReplacedVolumeTest, WhatIsImportedIsForTheVolumeThatWasThereAtTheBegin) {
  const std::string tar = mount_point() + "/import.tar";
  shell("d=$(mktemp -d) && echo theirs > $d/f && tar -C $d -cf " + tar + " . && rm -r $d");
  create("v");
  Work work;
  const auto import = [&](const MayGoOn& at_its_end) {
    const UniqueFd archive = *open_file(tar, O_RDONLY);
    return storage_->import_archive("v", "", {archive.get()}, at_its_end, work);
  };
  const Status refused = import([] { return Error{Code::kDenied, "not any more", {}}; });
  EXPECT_EQ(refused.error().code, Code::kDenied);
  EXPECT_FALSE(std::filesystem::exists(live("f")));
  const Status late = import([&]() -> Status {
    EXPECT_TRUE(storage_->remove_volume("v", [] { return ok(); }));
    create("v");
    return ok();
  });
  EXPECT_EQ(late.error().code, Code::kNotFound);
  EXPECT_NE(late.error().message.find("'v' was removed"), std::string::npos)
      << late.error().message;
  EXPECT_FALSE(std::filesystem::exists(live("f"))) << "the new one has nothing of it";
  EXPECT_TRUE(import([] { return ok(); }));
  EXPECT_EQ(read_text(live("f")), "theirs\n");
  shell("rm " + tar);
}

TEST_P(ReplacedVolumeTest, NobodyBeginsToUseWhatIsAboutToGo) {
  create("v");
  write_text(live("f"), "x");
  const auto removed = storage_->remove_volume("v", [&]() -> Status {
    EXPECT_EQ(storage_->volume("v").error().code, Code::kNotFound);
    EXPECT_EQ(storage_->take_snapshot("v").error().code, Code::kNotFound);
    Work work;
    EXPECT_EQ(storage_->create_volume({"v", "bob", Empty{}, 0}, work).error().code, Code::kExists);
    EXPECT_EQ(storage_->remove_volume("v", [] { return ok(); }).error().code, Code::kNotFound);
    return Error{Code::kConflict, "in use", {}};
  });
  EXPECT_EQ(removed.error().code, Code::kConflict);
  EXPECT_EQ(storage_->volume("v")->owner, "alice") << "it stays as it was";
  snapshot();
}

INSTANTIATE_TEST_SUITE_P(On, ReplacedVolumeTest, kEveryFileSystem, name_of_parameter);

}  // namespace
}  // namespace devrun::storage
